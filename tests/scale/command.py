"""The command line of `make books`: how large, and what is printed of it.

Exit status 1 where two sides of the books differ.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.databases import cloned
from tests.scale.course import run
from tests.scale.report import figures, table
from tests.scale.server import running
from tests.scale.sizes import Scale


def main(argv: Sequence[str]) -> int:
    """Go through the course, print what it took, return the exit status."""
    options = _parser().parse_args(argv)
    scale = Scale(options.events, options.tenants, options.workers, seed=options.seed)
    with running() as server, cloned(server) as database:
        course = run(database, scale, say=_say)
    found = figures(course)
    before = json.loads(options.against.read_text()) if options.against else None
    _say(table(found, before))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if course.books.agree else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make books", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--tenants", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2, help="processes of each step")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    parser.add_argument(
        "--against", type=Path, help="show the growth since these figures"
    )
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
