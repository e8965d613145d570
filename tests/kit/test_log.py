"""Lines of the log: one an event, bounded, and nobody else's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def logged(code: str, *, style: str = "json", level: str = "INFO") -> list[str]:
    """Return the lines that a process writes to stderr when it runs `code`."""
    lines = (
        "import logging, structlog",
        "from kit.log import configure",
        f"configure({style!r}, {level!r})",
        "log = structlog.get_logger('tollgate.test')",
        code,
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "platform")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def event(code: str, **options: Any) -> dict[str, Any]:
    """Return the one event that `code` logs."""
    (line,) = logged(code, **options)
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_an_event_is_one_line_of_json() -> None:
    seen = event("log.warning('commit_lost', gateway='gateway-1', waiting=3)")
    assert seen.pop("at").endswith("Z")
    assert seen == {
        "event": "commit_lost",
        "level": "warning",
        "logger": "tollgate.test",
        "gateway": "gateway-1",
        "waiting": 3,
    }


def test_libraries_write_the_same_lines() -> None:
    seen = event("logging.getLogger('django.request').warning('Not Found: %s', '/x')")
    assert (seen["event"], seen["level"]) == ("Not Found: /x", "warning")


@pytest.mark.parametrize("style", ["json", "console"])
def test_nobody_can_write_a_line_of_their_own(style: str) -> None:
    forged = "'a\\nERROR all is lost\\x1b[31m\\u2028'"
    lines = logged(f"log.info('refused', model={forged})", style=style)
    assert len(lines) == 1
    assert "\x1b" not in lines[0]
    assert "\u2028" not in lines[0]


def test_a_long_value_is_cut() -> None:
    assert len(event("log.info('refused', model='x' * 100_000)")["model"]) == 500


def test_an_exception_is_in_the_line_of_its_event() -> None:
    code = "try: 1/0\nexcept ZeroDivisionError: log.exception('bug')"
    seen = event(code)
    assert seen["event"] == "bug"
    assert "ZeroDivisionError" in seen["exception"]


def test_a_number_of_any_size_can_be_logged() -> None:
    assert event("log.info('posted', picos=10**30)")["picos"] == 10**30


def test_what_cannot_be_rendered_is_named_by_its_type() -> None:
    odd = "class Odd:\n    def __str__(self): raise ValueError\n"
    code = f"{odd}log.info('x', value=Odd())"
    assert event(code)["value"] == "<Odd>"


def test_less_than_the_level_is_not_written() -> None:
    assert logged("log.info('quiet')", level="WARNING") == []


def test_the_console_shows_the_event_first() -> None:
    (line,) = logged("log.info('ready', port=1, note='two words')", style="console")
    assert line == 'info    ready port=1 note="two words" logger=tollgate.test'


@pytest.mark.parametrize("kind", ["tg", "tgt", "tgo", "tgi"])
def test_a_secret_in_a_path_is_cut_down_to_its_prefix(kind: str) -> None:
    secret = f"{kind}_{'aB3' * 16}z"
    path = f"/accounts/invitation/{secret}/"
    seen = event(f"log.warning('Not Found: {path}', path={'x' * 460 + path!r})")
    assert seen["event"] == f"Not Found: /accounts/invitation/{kind}_…/"
    assert seen["path"].endswith(f"{kind}_…/")
    assert "aB3" not in json.dumps(seen)
