"""`rate --json FILE` by itself: it needs no settings, no database and no framework.

Failure: what cannot be read or rated is said in one line, nothing is printed, and the
status is 1.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kit.errors import InvalidRequest
from metering.pricing.components.documents import BYTES_MAX, rated_document

HELP = (
    "Rate a JSON list of cases {component, quantity, [currency], [events]} and "
    "print it with each amount filled in."
)


def main(arguments: Sequence[str]) -> int:
    """Print what `rate` was asked for; return the process's status."""
    parser = argparse.ArgumentParser(prog="manage.py rate", description=HELP)
    add_arguments(parser)
    try:
        rated = rated_file(parser.parse_args(arguments).json)
    except InvalidRequest as error:
        sys.stderr.write(f"rate: {error.message}\n")
        return 1
    sys.stdout.write(rated + "\n")
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the file."""
    parser.add_argument(
        "--json",
        metavar="FILE",
        required=True,
        help="the cases; - reads them from standard input",
    )


def rated_file(name: str) -> str:
    """Return the cases of a file, or of standard input for `-`, with their amounts.

    Raises `InvalidRequest` for a file that cannot be read and for the first bad case.
    """
    try:
        data = _read(name)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidRequest(f"cannot read {name}: {reason}") from None
    return rated_document(data)


def _read(name: str) -> bytes:
    """Read one byte more than is taken, so that too much is noticed."""
    if name == "-":
        return sys.stdin.buffer.read(BYTES_MAX + 1)
    with Path(name).open("rb") as file:
        return file.read(BYTES_MAX + 1)
