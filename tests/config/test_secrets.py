"""What is no secret stops the start of every process, with one line that says why."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from config.env import SecretSettings, WebSettings, load
from config.env_base import Settings
from config.secret_rules import SECRETS, require_secret

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = {
    "gateway": ("-m", "config.gateway"),
    "web": ("-m", "uvicorn", "config.asgi:application", "--port", "1"),
    "worker": ("-m", "celery", "--app", "config.celery", "report"),
    "manage.py": ("manage.py", "check"),
}
GROUPS: dict[str, type[Settings]] = {
    "KEY_PEPPER": SecretSettings,
    "OPERATOR_TOKEN": WebSettings,
    "SECRET_KEY": WebSettings,
}
NONE_AT_ALL = {
    "hunter2-" * 3: "give at least 32 random characters",
    "": "is not set",
    **dict.fromkeys(
        (
            "x" * 48,
            "0123456789" * 5,
            "0123456789012345678901234567890123456789abcdefXYZ",
            "changeme" * 6,
            "Zq3vB8nT1mKp" * 4,
            "Change-Me-7Hq2Lx9Vb4Nw1Rt6Yp3Kd8Zs5",
            "django-insecure-7Hq2Lx9Vb4Nw1Rt6Yp3Kd8Zs5Mc0",
            "our-production-pepper-is-a-secret-2026",
            "correct-horse-battery-staple-password",
        ),
        "is not random but looks like a default. Make one: openssl rand -base64 48",
    ),
}


def line_of(group: type[Settings]) -> str:
    """Return the line that loading this group ends with."""
    with pytest.raises(SystemExit) as ended:
        load(group)
    return str(ended.value.code)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(("value", "why"), NONE_AT_ALL.items())
def test_what_is_no_secret_is_refused_and_not_shown(
    name: str, value: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert line_of(GROUPS[name]) == f"tollgate: {name}: {why}"


@pytest.mark.parametrize("name", SECRETS)
def test_one_secret_in_two_places_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a process that reads one of the two alone."""
    for other in set(SECRETS) - {name}:
        with monkeypatch.context() as changed:
            changed.setenv(name, os.environ[other])
            # Of two that one process reads, the first is named.
            assert line_of(GROUPS[name]) in {
                f"tollgate: {one}: is the same as {two}."
                " Make one: openssl rand -base64 48"
                for one, two in ((name, other), (other, name))
            }


@pytest.mark.parametrize("program", PROCESSES)
@pytest.mark.parametrize("value", ["short", "changeme" * 6, None])
def test_no_process_starts_and_none_shows_a_traceback(
    program: str, value: str | None
) -> None:
    """None stands for the value of another secret."""
    done = subprocess.run(
        [sys.executable, *PROCESSES[program]],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'platform'}{os.pathsep}{ROOT}",
            "KEY_PEPPER": value or os.environ["SECRET_KEY"],
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    # The web process reads SECRET_KEY first, which is then the one in two places.
    named = {"KEY_PEPPER"} if value else {"KEY_PEPPER", "SECRET_KEY"}
    assert line.split(": ")[:2] in [["tollgate", name] for name in named]


def test_what_a_generator_makes_is_taken() -> None:
    for _ in range(2_000):
        for made in (
            secrets.token_hex(16),
            secrets.token_hex(32),
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(48),
        ):
            assert require_secret(made, name="KEY_PEPPER", environment={}) == made
