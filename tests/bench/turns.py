"""Takes turns: rounds of a scenario over its targets, one measurement after the other.

Targets take turns within a round, so that whatever else the machine does meets all of
them. Before the first, each has a small load, after which its memory is looked at: what
it holds then is its own, and what it holds of a crowd beyond that is the crowd's.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import uvloop

from tests.bench.client import Load, Observed
from tests.bench.machine import Usage, busy_s, usage_of
from tests.bench.report import Measurement, percentile_ms
from tests.bench.scenarios import SCENARIOS, Scenario
from tests.bench.targets import Engine, Target

_FIRST_LOAD = replace(SCENARIOS["ns"], window_s=0.5, warm_up_s=0.2)


@dataclass(frozen=True, slots=True)
class Gauge:
    """What everybody had used at one moment."""

    gateway: Usage
    database: Usage
    cache: Usage
    engine: Usage
    client: Usage
    busy_s: float

    @classmethod
    def read(cls, target: Target, engine: Engine) -> "Gauge":
        """Look at all of them."""
        times = os.times()
        return cls(
            gateway=usage_of(target.gateway_pid),
            database=usage_of(target.database_pid),
            cache=usage_of(target.cache_pid),
            engine=usage_of(engine.pid),
            client=Usage(times.user + times.system),
            busy_s=busy_s(),
        )


def rested(targets: Sequence[Target], engine: Engine) -> list[Target]:
    """Give each a first small load, and note what memory it has then."""
    for target in targets:
        measure(_FIRST_LOAD, target, engine)
    return [
        replace(target, resting_bytes=usage_of(target.gateway_pid).resident_bytes)
        for target in targets
    ]


def turns(
    scenario: Scenario, targets: Sequence[Target], engine: Engine, *, rounds: int
) -> dict[str, list[Measurement]]:
    """Measure each target so many times; the measurements of each, by its name."""
    present = [target for target in targets if scenario.name not in target.left_out]
    rows: dict[str, list[Measurement]] = {target.name: [] for target in present}
    for _ in range(rounds):
        for target in present:
            rows[target.name].append(measure(scenario, target, engine))
    return rows


def measure(scenario: Scenario, target: Target, engine: Engine) -> Measurement:
    """Run one scenario against one target, once."""
    request = scenario.request(
        host="bench", model=target.model, key=target.key, path=target.path
    )

    async def load() -> tuple[Observed, Gauge, Gauge]:
        run = await Load(scenario, port=target.port, request=request).run(
            lambda: Gauge.read(target, engine)
        )
        return run.observed, run.before, run.after

    engine.pace(scenario.inter_token_ms)
    return _measurement(scenario, target, *uvloop.run(load()))


def _measurement(
    scenario: Scenario, target: Target, observed: Observed, before: Gauge, after: Gauge
) -> Measurement:
    seconds = observed.window_s
    gateway, database, cache, engine, client = (
        (getattr(after, part).cpu_s - getattr(before, part).cpu_s) / seconds
        for part in ("gateway", "database", "cache", "engine", "client")
    )
    known = gateway + database + cache + engine + client
    others = (after.busy_s - before.busy_s) / seconds - known
    grown_bytes = after.gateway.resident_bytes - target.resting_bytes
    return Measurement(
        scenario=scenario.name,
        target=target.name,
        requests_per_s=observed.answers / seconds,
        tokens_per_s=observed.tokens / seconds,
        first_ms_p50=percentile_ms(observed.first_ns, 0.5),
        first_ms_p99=percentile_ms(observed.first_ns, 0.99),
        gap_ms_p50=percentile_ms(observed.gaps_ns, 0.5),
        gap_ms_p99=percentile_ms(observed.gaps_ns, 0.99),
        gap_ms_max=percentile_ms(observed.gaps_ns, 1.0),
        ending_ms_p50=percentile_ms(observed.endings_ns, 0.5),
        ending_ms_p99=percentile_ms(observed.endings_ns, 0.99),
        errors=observed.errors,
        broken=observed.broken,
        client_cores=client,
        engine_cores=engine,
        other_cores=max(others, 0.0),
        gateway_cores=gateway if target.gateway_pid else None,
        gateway_mib=(
            after.gateway.resident_bytes / 2**20 if target.gateway_pid else None
        ),
        stream_kib=(
            grown_bytes / 2**10 / scenario.connections
            if target.gateway_pid and scenario.is_crowd
            else None
        ),
        database_cores=database if target.database_pid else None,
        cache_cores=cache if target.cache_pid else None,
        reasons=dict(observed.reasons),
    )
