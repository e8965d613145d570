"""The command `rate`: a list of cases in, the same list with amounts out."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

ROOT = Path(__file__).resolve().parents[3]
CASES = Path(__file__).parent / "components" / "pricing.json"


def test_documented_cases_in_a_bare_clone() -> None:
    """A process of its own: nothing is set, no package found, no database there."""
    cases = json.loads(CASES.read_text())
    asked = [{k: v for k, v in case.items() if k != "amount"} for case in cases]
    done = subprocess.run(
        [sys.executable, "-S", "manage.py", "rate", "--json", "-"],
        cwd=ROOT,
        env={"STATE_DIR": "/nonexistent"},
        input=json.dumps(asked).encode(),
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == cases
    assert done.stderr == b""


def test_by_itself_a_bad_case_is_one_line_and_a_status() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "manage.py", "rate", "--json", "-"],
        cwd=ROOT,
        env={},
        input=b'[{"component": {"model": "none"}, "quantity": "1"}]',
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"rate: case 1: component.model: ")
    assert done.stderr.count(b"\n") == 1


def test_a_file_goes_out_as_it_came_in() -> None:
    out = io.StringIO()
    call_command("rate", "--json", str(CASES), stdout=out)
    assert out.getvalue().strip() == CASES.read_text().strip()


def test_a_bad_case_is_named_and_nothing_is_printed(tmp_path: Path) -> None:
    cases = json.loads(CASES.read_text())
    cases[7]["component"]["tiers"][1]["up_to"] = "5"
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"'graduated-20': component.tiers\[1\]"):
        call_command("rate", "--json", str(tmp_path / "cases.json"), stdout=out)
    assert out.getvalue() == ""


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot read .*none.json: No such file"):
        call_command("rate", "--json", str(tmp_path / "none.json"))
