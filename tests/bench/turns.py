"""Takes turns: rounds of a scenario over its targets, one measurement after the other.

Targets take turns within a round, so that whatever else the machine does meets all of
them.
"""

import os
from collections.abc import Sequence

import uvloop

from tests.bench.client import Load, Observed
from tests.bench.machine import Usage, busy_s, usage_of
from tests.bench.report import Measurement, percentile_ms
from tests.bench.scenarios import Scenario
from tests.bench.targets import MODEL, Engine, Target

Gauge = tuple[Usage, Usage, Usage, Usage, float]


def turns(
    scenario: Scenario, targets: Sequence[Target], engine: Engine, *, rounds: int
) -> dict[str, list[Measurement]]:
    """Measure each target so many times; the measurements of each, by its name."""
    rows: dict[str, list[Measurement]] = {target.name: [] for target in targets}
    for _ in range(rounds):
        for target in targets:
            rows[target.name].append(measure(scenario, target, engine))
    return rows


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
        ending_ms_p50=percentile_ms(observed.endings_ns, 0.5),
        ending_ms_p99=percentile_ms(observed.endings_ns, 0.99),
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
