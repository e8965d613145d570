"""`make bench`: rounds of every scenario over every target, in turns.

Targets take turns within a round, so that whatever else the machine does meets all of
them. Exit status 1 when any answer was in error or broken: fast and wrong is not fast.
"""

import argparse
import datetime as dt
import json
import os
import platform
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import uvloop

from tests.bench.client import Load, Observed
from tests.bench.machine import Cores, Usage, busy_s, pin_alone, usage_of
from tests.bench.report import Measurement, percentile_ms, table
from tests.bench.results import LATEST, collect
from tests.bench.scenarios import SCENARIOS, Scenario
from tests.bench.targets import (
    MODEL,
    BenchError,
    Engine,
    Target,
    peers,
    running,
    running_engine,
)

Gauge = tuple[Usage, Usage, Usage, Usage, float]


def main(argv: Sequence[str]) -> int:
    """Measure as `argv` says, print the tables, return the exit status."""
    options = _parser().parse_args(argv)
    scenarios = [
        replace(SCENARIOS[name], window_s=options.seconds) for name in options.scenarios
    ]
    cores = Cores.divided()
    _say(_heading(cores, options.rounds, options.seconds))
    # Inherited by all that is started from here on.
    pin_alone(cores.rest)
    measured: list[Measurement] = []
    try:
        with (
            running_engine(cores) as engine,
            running(options.targets, engine, cores) as targets,
        ):
            pin_alone(cores.client)
            for scenario in scenarios:
                rows = _turns(scenario, targets, engine, rounds=options.rounds)
                measured += [row for each in rows.values() for row in each]
                _say(table(scenario, rows, load_is_shared=cores.load_is_shared))
    except BenchError as error:
        _say(f"bench: {error}")
        return 2
    finally:
        if options.json:
            rows_json = [row.as_json() for row in measured]
            options.json.write_text(json.dumps(rows_json, indent=1) + "\n")
    if any(row.errors or row.broken for row in measured):
        return 1
    if options.save:
        now = dt.datetime.now(dt.UTC)
        collect(measured, scenarios=scenarios, rounds=options.rounds, now=now).save(
            LATEST
        )
    return 0


def measure(scenario: Scenario, target: Target, engine: Engine) -> Measurement:
    """Run one scenario against one target, once."""
    request = scenario.request(host="bench", model=MODEL, key=target.key)

    def gauge() -> Gauge:
        return (
            usage_of(target.gateway_pid),
            usage_of(target.database_pid),
            usage_of(engine.pid),
            _own(),
            busy_s(),
        )

    async def load() -> tuple[Observed, Gauge, Gauge]:
        run = await Load(scenario, port=target.port, request=request).run(gauge)
        return run.observed, run.before, run.after

    engine.pace(scenario.inter_token_ms)
    return _measurement(scenario, target, *uvloop.run(load()))


def _turns(
    scenario: Scenario, targets: Sequence[Target], engine: Engine, *, rounds: int
) -> dict[str, list[Measurement]]:
    rows: dict[str, list[Measurement]] = {target.name: [] for target in targets}
    for _ in range(rounds):
        for target in targets:
            rows[target.name].append(measure(scenario, target, engine))
    return rows


def _measurement(
    scenario: Scenario, target: Target, observed: Observed, before: Gauge, after: Gauge
) -> Measurement:
    seconds = observed.window_s
    gateway, database, engine, client = (
        (late.cpu_s - early.cpu_s) / seconds
        for early, late in zip(before[:4], after[:4], strict=True)
    )
    known = gateway + database + engine + client
    return Measurement(
        scenario=scenario.name,
        target=target.name,
        requests_per_s=observed.answers / seconds,
        tokens_per_s=observed.tokens / seconds,
        first_ms_p50=percentile_ms(observed.first_ns, 0.5),
        first_ms_p99=percentile_ms(observed.first_ns, 0.99),
        gap_ms_p50=percentile_ms(observed.gaps_ns, 0.5),
        gap_ms_p99=percentile_ms(observed.gaps_ns, 0.99),
        errors=observed.errors,
        broken=observed.broken,
        client_cores=client,
        engine_cores=engine,
        other_cores=max((after[4] - before[4]) / seconds - known, 0.0),
        gateway_cores=gateway if target.gateway_pid else None,
        gateway_mib=after[0].resident_bytes / 2**20 if target.gateway_pid else None,
        database_cores=database if target.database_pid else None,
        reasons=dict(observed.reasons),
    )


def _own() -> Usage:
    times = os.times()
    return Usage(times.user + times.system)


def _parser() -> argparse.ArgumentParser:
    here = peers()
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--scenarios",
        type=lambda text: _chosen(text, SCENARIOS),
        default=list(SCENARIOS),
        help=f"which of {','.join(SCENARIOS)}",
    )
    parser.add_argument(
        "--targets",
        type=lambda text: _chosen(text, here),
        default=here,
        help=f"which of {','.join(here)}; nginx where it is installed",
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument(
        "--seconds", type=float, default=2.5, help="of each measurement (default: 2.5)"
    )
    parser.add_argument(
        "--json", type=Path, help="write every measurement to this file"
    )
    parser.add_argument(
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
