"""Run the two commands as a script does, with their exit status."""

import io
import json
from typing import Any

from django.core.management import CommandError, call_command

START = "--start=2026-09-01"


def run(*arguments: str) -> tuple[int, str]:
    """Return a command's exit status and what it printed."""
    out = io.StringIO()
    try:
        call_command(*arguments, stdout=out)
    except CommandError as ending:
        return ending.returncode, out.getvalue()
    return 0, out.getvalue()


def run_json(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Return a command's exit status and the document that it printed."""
    status, printed = run(*arguments, "--json")
    document: dict[str, Any] = json.loads(printed)
    return status, document


def differing(document: dict[str, Any]) -> dict[str, int]:
    """Return the checks that found differences, and how many."""
    return {
        check["name"]: check["differences"]
        for check in document["checks"]
        if check["differences"]
    }
