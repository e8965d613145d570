"""The command line of `make stripe`: how many tenants, and what is printed of it.

Exit status 1 where the two sides differ, or a limit of Stripe was met.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.collecting.course import run
from tests.collecting.kills import kill_workers, prepare
from tests.collecting.report import figures, killed, table
from tests.databases import Database, cloned
from tests.scale.server import running

KILLED_BUYERS = 4


def main(argv: Sequence[str]) -> int:
    """Go through a course, print what it took, return the exit status."""
    options = _parser().parse_args(argv)
    with running() as server, cloned(server) as database:
        if options.kills:
            return _kill(database, options)
        course = run(
            database,
            tenants=options.tenants,
            workers=options.workers,
            seed=options.seed,
            say=_say,
        )
    found = figures(course)
    _say(table(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if course.wrong or course.limit_errors else 0


def _kill(prepared: Database, options: argparse.Namespace) -> int:
    customers = prepare(prepared, tenants=options.tenants, buyers=KILLED_BUYERS)
    found = kill_workers(
        prepared,
        customers,
        times=options.kills,
        workers=options.workers,
        seed=options.seed,
        say=_say,
    )
    _say(killed(found))
    if options.json:
        options.json.write_text(json.dumps(vars(found), indent=1) + "\n")
    return 1 if found.wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make stripe", description=__doc__)
    parser.add_argument("--tenants", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2, help="that follow webhooks")
    parser.add_argument("--kills", type=int, default=0, help="kill workers instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
