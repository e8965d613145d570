"""`check --deploy` passes what production should get, and nothing less."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6"
PRODUCTION = {
    "DATABASE_URL": "postgresql://tollgate_owner@127.0.0.1:1/none",
    "PUBLIC_URL": "https://gate.example",
    "ALLOWED_HOSTS": "gate.example",
    "KEY_PEPPER": SECRET,
    "OPERATOR_TOKEN": SECRET + "1",
    "SECRET_KEY": SECRET + "2",
    "EMAIL_HOST": "mail.example",
}


def check(**changes: str) -> tuple[int, str]:
    """Run the check in a process of its own; return its status and what it says."""
    inherited = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**inherited, **PRODUCTION, **changes},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_what_production_should_get_passes() -> None:
    status, said = check()
    assert status == 0, said


def test_every_weakness_is_said_at_once() -> None:
    """Cookies and HSTS, debugging, any host."""
    status, said = check(
        SECURE_COOKIES="false",
        DEBUG="true",
        ALLOWED_HOSTS="*",
    )
    assert status == 1
    assert set(re.findall(r"\(((?:security|tollgate)\.\w+)\)", said)) == {
        "security.W004",
        "security.W012",
        "security.W016",
        "security.W018",
        "tollgate.E004",
    }
