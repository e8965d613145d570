"""The command line of chaos: which cases, how often, and what came of them.

Exit status 1 where a promise was broken. PostgreSQL keeps its folder between runs, so
that only the first one migrates; everything else is made anew.
"""

import argparse
import contextlib
import fcntl
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop

from config.local.account import open_place
from tests.chaos.cases import CASES
from tests.chaos.processes import PostgresServer
from tests.chaos.report import Result, table
from tests.chaos.stage import Case, play
from tests.databases import cloned


def main(argv: Sequence[str]) -> int:
    """Play what `argv` names, print the table, return the exit status."""
    options = _parser().parse_args(argv)
    results: list[Result] = []
    with _place() as place:
        for name in options.cases or CASES:
            results.append(_played(CASES[name], options, place))
            _say(table(results[-1:]))
    if len(results) > 1:
        _say("\n" + table(results))
    return 1 if any(result.wrong for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--times", type=int, help="how often; default: as promised")
    parser.add_argument("--minutes", type=float, help="how long at random")
    parser.add_argument("--clients", type=int, help="how many ask at once")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of the time that outages last"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the folder with the logs"
    )
    return parser


def _played(case: Case, options: argparse.Namespace, place: Path) -> Result:
    """Play one case on a database of its own."""
    times = options.times or case.times
    if case.is_timed and options.minutes:
        times = round(options.minutes * 60)
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="tollgate-chaos-"))
        if not options.keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        server = PostgresServer(place / "data", folder)
        stack.callback(server.stop)
        server.start()
        database = stack.enter_context(cloned(server.url))
        playing = play(
            case,
            database=database,
            server=server,
            folder=folder,
            times=times,
            seed=options.seed,
            scale=options.scale,
            clients=options.clients,
        )
        return uvloop.run(playing)


@contextlib.contextmanager
def _place() -> Iterator[Path]:
    """Provide a folder that PostgreSQL keeps, the first that no other run has."""
    parent = open_place() if os.geteuid() == 0 else Path(tempfile.gettempdir())
    for number in itertools.count(1):
        place = parent / f"tollgate-chaos-{os.geteuid()}-{number}"
        place.mkdir(mode=0o755, exist_ok=True)
        with (place / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield place
            return


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
