"""The command line of `make books`: how large, and what is printed of it.

Exit status 1 where two sides of the books differ.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tests.databases import cloned
from tests.scale.console import look_at_the_console
from tests.scale.course import run
from tests.scale.events import prepare
from tests.scale.kills import kill_workers
from tests.scale.reading import look_at_the_books, look_up
from tests.scale.report import figures, table, waiting
from tests.scale.server import copied, running
from tests.scale.sizes import MONTHS, Scale, closes_at
from tests.scale.world import make_world

# What kills are made with: small, so that each step is killed often.
KILLED = Scale(events=3_000, tenants=10)


def main(argv: Sequence[str]) -> int:
    """Go through each course, print what it took, return the exit status."""
    options = _parser().parse_args(argv)
    with running() as server:
        if options.kills:
            return _kill(server, options.kills, options.seed)
        return _bill(server, options)


def _bill(server: str, options: argparse.Namespace) -> int:
    found: list[dict[str, Any]] = []
    with cloned(server) as prepared:
        largest = Scale(max(options.events), options.tenants, seed=options.seed)
        world = make_world(largest)
        prepare(prepared, world)
        _say(f"{options.tenants:,} tenants use models in {len(world.places):,} places")
        for events in sorted(options.events):
            scale = Scale(events, options.tenants, options.workers, seed=options.seed)
            with copied(prepared) as database:
                course = run(database, world, scale, say=_say)
                waited = look_up(now=closes_at(len(MONTHS) - 1))
                waited += look_at_the_books()
                waited += look_at_the_console()
            found.append({**figures(course), "waited": [asdict(w) for w in waited]})
            _say(table(found[-1], found[-2] if len(found) > 1 else None))
            _say(waiting(waited))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if any(any(each["differences"].values()) for each in found) else 0


def _kill(server: str, times: int, seed: int) -> int:
    scale = replace(KILLED, seed=seed)
    with cloned(server) as prepared:
        prepare(prepared, world := make_world(scale))
        found = kill_workers(prepared, world, scale, times=times, say=_say)
    deaths = ", ".join(f"{count} in {step}" for step, count in found.kills.items())
    _say(f"{found.kills.total()} workers killed in {found.courses} courses: {deaths}")
    _say("\n".join(found.wrong) or "nothing lost, nothing double, the same invoices")
    return 1 if found.wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make books", description=__doc__)
    parser.add_argument(
        "--events", type=int, nargs="+", default=[200_000], help="of each course"
    )
    parser.add_argument("--tenants", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2, help="processes of each step")
    parser.add_argument("--kills", type=int, default=0, help="kill workers instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
