"""Where mails go, by the environment: read by a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = "django.core.mail.backends"
READ = """
import json
from config.settings import mail
print(json.dumps({name: str(value) for name, value in vars(mail).items()
                  if name.isupper() and not name.startswith("_")}))
"""


def read(**given: str) -> "subprocess.CompletedProcess[str]":
    """Read the settings of mail in this environment."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EMAIL_")}
    path = f"{ROOT / 'platform'}{os.pathsep}{ROOT}"
    return subprocess.run(
        [sys.executable, "-c", READ],
        env={**clean, "PYTHONPATH": path, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("given", "backend", "is_set"),
    [
        ({}, "dummy", "False"),
        ({"EMAIL_HOST": "mail.example"}, "smtp", "True"),
        ({"EMAIL_FOLDER": "/var/mail"}, "filebased", "True"),
        ({"EMAIL_HOST": "mail.example", "EMAIL_FOLDER": "/m"}, "filebased", "True"),
    ],
)
def test_mails_go_where_the_environment_says(
    given: dict[str, str], backend: str, is_set: str
) -> None:
    mail = json.loads(read(**given).stdout)
    assert mail["EMAIL_BACKEND"] == f"{BACKENDS}.{backend}.EmailBackend"
    assert mail["EMAIL_IS_SET"] == is_set


@pytest.mark.parametrize(
    ("tls", "uses"),
    [
        ("starttls", ("True", "False")),
        ("tls", ("False", "True")),
        ("off", ("False",) * 2),
    ],
)
def test_the_connection_is_kept_secret_as_asked(
    tls: str, uses: tuple[str, str]
) -> None:
    mail = json.loads(read(EMAIL_HOST="mail.example", EMAIL_TLS=tls).stdout)
    assert (mail["EMAIL_USE_TLS"], mail["EMAIL_USE_SSL"]) == uses


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMAIL_TLS", "ssl"),
        ("EMAIL_PORT", "0"),
        ("EMAIL_FROM", "Tollgate"),
        ("EMAIL_FROM", "a@example.com, b@example.com"),
        ("EMAIL_FROM", "Tollgate <a@example.com>\nBcc: b@example.com"),
        ("EMAIL_TIMEOUT_MS", "0"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(name: str, value: str) -> None:
    ended = read(**{name: value})
    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"tollgate: {name}: ")
