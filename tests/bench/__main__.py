"""`make bench`: rounds of every scenario over every target, in turns.

Exit status 1 when any answer of ours was in error or broken: fast and wrong is not
fast. What peers do wrong stands in their lines.
"""

import argparse
import datetime as dt
import json
import os
import platform
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path

import uvloop

from tests.bench.against import THERE, running_both
from tests.bench.bars import bars_table
from tests.bench.journal_costs import acts_table, recovery_table
from tests.bench.keys import UNLIMITED, running_keys
from tests.bench.lineup import here, running
from tests.bench.machine import Cores, open_files, pin_alone
from tests.bench.paired import cost_table
from tests.bench.peers.environments import PEERS
from tests.bench.report import Measurement, table
from tests.bench.results import LATEST, collect
from tests.bench.scenarios import SCENARIOS, Scenario
from tests.bench.targets import BenchError, running_engine
from tests.bench.turns import rested, turns
from tests.bench.variants import NEITHER, running_variants


def main(argv: Sequence[str]) -> int:
    """Measure as `argv` says, print the tables, return the exit status."""
    options = _parser().parse_args(argv)
    cores = Cores.divided()
    open_files()
    _say(_heading(cores, options.rounds, options.seconds))
    # Inherited by all that is started from here on.
    pin_alone(cores.rest)
    measured: list[Measurement] = []
    try:
        measured.extend(_asked(options)(options, cores))
    except BenchError as error:
        _say(f"bench: {error}")
        return 2
    finally:
        if options.json:
            rows_json = [row.as_json() for row in measured]
            options.json.write_text(json.dumps(rows_json, indent=1) + "\n")
    is_whole = not any(
        row.errors or row.broken for row in measured if row.target not in PEERS
    )
    if not (options.journal or options.limits or options.against):
        results = collect(
            measured,
            scenarios=_scenarios(options),
            rounds=options.rounds,
            now=dt.datetime.now(dt.UTC),
        )
        _say(bars_table(results))
        if options.save and is_whole:
            results.save(LATEST)
    return 0 if is_whole else 1


def _asked(
    options: argparse.Namespace,
) -> Callable[[argparse.Namespace, Cores], Iterator[Measurement]]:
    if options.against:
        return _show_both
    if options.limits:
        return _show_limits
    return _show_costs if options.journal else _show_peers


def _show_peers(options: argparse.Namespace, cores: Cores) -> Iterator[Measurement]:
    """Measure the product beside its peers, and print a table per scenario."""
    with (
        running_engine(cores) as engine,
        running(options.targets, engine, cores) as started,
    ):
        pin_alone(cores.client)
        targets = rested(started, engine)
        for scenario in _scenarios(options):
            rounds = scenario.rounds_of(options.rounds)
            rows = turns(scenario, targets, engine, rounds=rounds)
            yield from chain.from_iterable(rows.values())
            _say(table(scenario, rows, load_is_shared=cores.load_is_shared))


def _show_limits(options: argparse.Namespace, cores: Cores) -> Iterator[Measurement]:
    """Measure one gateway with two of its keys, and print what the limits cost."""
    with (
        running_engine(cores) as engine,
        running_keys(engine, cores) as targets,
    ):
        pin_alone(cores.client)
        for scenario in _scenarios(options):
            rows = turns(scenario, targets, engine, rounds=options.rounds)
            yield from chain.from_iterable(rows.values())
            _say(cost_table(scenario, rows, base=UNLIMITED))


def _show_both(options: argparse.Namespace, cores: Cores) -> Iterator[Measurement]:
    """Measure this checkout's gateway beside another's, and print what each needs."""
    with (
        running_engine(cores) as engine,
        running_both(options.against, engine, cores) as targets,
    ):
        pin_alone(cores.client)
        for scenario in _scenarios(options):
            rows = turns(scenario, targets, engine, rounds=options.rounds)
            yield from chain.from_iterable(rows.values())
            _say(cost_table(scenario, rows, base=THERE))


def _show_costs(options: argparse.Namespace, cores: Cores) -> Iterator[Measurement]:
    """Measure what the journal and the commits cost, and print tables of it."""
    pin_alone(cores.gateway)
    _say(acts_table())
    pin_alone(cores.rest)
    with (
        running_engine(cores) as engine,
        running_variants(engine, cores) as variants,
    ):
        pin_alone(cores.client)
        for scenario in _scenarios(options):
            rows = turns(scenario, variants.targets, engine, rounds=options.rounds)
            yield from chain.from_iterable(rows.values())
            _say(cost_table(scenario, rows, base=NEITHER))
        pin_alone(cores.gateway)
        _say(uvloop.run(recovery_table(variants.database_url)))


def _scenarios(options: argparse.Namespace) -> list[Scenario]:
    return [SCENARIOS[name].within(options.seconds) for name in options.scenarios]


def _parser() -> argparse.ArgumentParser:
    present = here()
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--scenarios",
        type=lambda text: _chosen(text, SCENARIOS),
        default=list(SCENARIOS),
        help=f"which of {','.join(SCENARIOS)}",
    )
    parser.add_argument(
        "--targets",
        type=lambda text: _chosen(text, present),
        default=present,
        help=f"which of {','.join(present)}, which are installed here",
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument(
        "--seconds", type=float, default=2.5, help="of each measurement (default: 2.5)"
    )
    parser.add_argument(
        "--json", type=Path, help="write every measurement to this file"
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--journal",
        action="store_true",
        help="measure what the gateway's journal and commits cost instead",
    )
    kinds.add_argument(
        "--limits",
        action="store_true",
        help="measure what a key's limits and budget cost instead",
    )
    kinds.add_argument(
        "--against",
        type=Path,
        metavar="DIR",
        help="compare this checkout's gateway with another's instead",
    )
    kinds.add_argument(
        "--save",
        action="store_true",
        help="keep the medians for the README, unless an answer was in error",
    )
    return parser


def _chosen(text: str, known: Collection[str]) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {','.join(known)}")
    return names


def _heading(cores: Cores, rounds: int, seconds: float) -> str:
    busy = os.getloadavg()[0]
    places = ", ".join(
        f"{name} on core {min(getattr(cores, name))}"
        for name in ("gateway", "client", "engine")
    )
    return (
        f"{platform.machine()}, Linux {platform.release()}, Python "
        f"{platform.python_version()}; load before the start {busy:.1f}\n"
        f"{places}; medians of {rounds} rounds of {seconds:g} s, targets in turns"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
