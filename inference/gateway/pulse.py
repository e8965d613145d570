"""What one gateway process says of itself every few seconds, for operators to watch.

One row a process, written over and over: what runs and waits now, how each replica is,
and what was counted within the last minute. Counts are flat, a name and a whole number,
so that those of all processes add up without knowing what they mean. Whole histories
are for Prometheus, which reads `/metrics`.

Failure: a pulse that cannot be written is lost, and the next one says all there is; who
reads an old one sees its age. Owns: the samples of the last minute.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
import structlog
from psycopg import AsyncConnection

from inference.gateway.live import LiveRequests
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.probing import Prober
from inference.routing.fleet import Fleet
from inference.routing.health import ReplicaHealth
from inference.routing.snapshot import Snapshot
from inference.scheduling.scheduler import FairScheduler

TELL_S = 2.0
# Counts are of about a minute: so many samples, so far apart.
SAMPLE_S = 5.0
SAMPLES = 13
TENANTS_MAX = 50
REPLICAS_MAX = 500
# What was counted above the last bound of a histogram.
ABOVE = "above"

_TELL = """
INSERT INTO control_pulse (gateway, at, started_at, body)
VALUES (
    %(gateway)s, clock_timestamp(),
    clock_timestamp() - make_interval(secs => %(age_s)s::float8), %(body)s::jsonb
)
ON CONFLICT (gateway) DO UPDATE
SET at = excluded.at, started_at = excluded.started_at, body = excluded.body
"""

log = structlog.get_logger("tollgate.pulse")


@dataclass(frozen=True, slots=True)
class PulseSources:
    """Where a pulse comes from; all of it is only read."""

    live: LiveRequests
    metrics: GatewayMetrics
    snapshot: Snapshot
    scheduler: FairScheduler
    fleet: Fleet
    health: ReplicaHealth
    prober: Prober
    is_ready: Callable[[], bool]


class Pulse:
    """Tells how this process is, on a connection that it is lent."""

    def __init__(
        self, sources: PulseSources, *, gateway: str, now: Callable[[], float]
    ) -> None:
        self._from = sources
        self._gateway = gateway
        self._now = now
        self._started_at = now()
        self._told_at = float("-inf")
        # Whether the last one was refused, which is said once and not each time.
        self._is_refused = False
        self._samples: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=SAMPLES)

    async def tell(self, connection: AsyncConnection) -> None:
        """Write the row, unless that was done a moment ago."""
        now = self._now()
        if now - self._told_at < TELL_S:
            return
        self._told_at = now
        try:
            await connection.execute(
                _TELL,
                {
                    "gateway": self._gateway,
                    "age_s": now - self._started_at,
                    "body": orjson.dumps(self.body()).decode(),
                },
            )
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            # Nobody's request waits for a pulse: what it shares the connection with
            # goes on.
            if not self._is_refused:
                log.warning("pulse_not_told", reason=type(error).__name__)
            self._is_refused = True
        else:
            self._is_refused = False

    def body(self) -> dict[str, Any]:
        """Return what the row says."""
        of, now = self._from, self._now()
        counted = dict(self._counted())
        if not self._samples:
            self._samples.append((self._started_at, {}))
        began_at, before = self._samples[0]
        if now - self._samples[-1][0] >= SAMPLE_S:
            self._samples.append((now, counted))
        running = of.live.by_tenant()
        return {
            "version": of.snapshot.version,
            "is_ready": of.is_ready(),
            "running": running.total(),
            "tenants": [list(each) for each in running.most_common(TENANTS_MAX)],
            "waiting": {
                name: pool.waiting
                for name, pool in of.scheduler.pools.items()
                if pool.waiting
            },
            "replicas": self._replicas(),
            "span_ms": int((now - began_at) * 1000),
            "counts": {
                name: count - before.get(name, 0)
                for name, count in counted.items()
                if count != before.get(name, 0)
            },
        }

    def _replicas(self) -> dict[str, dict[str, Any]]:
        """Return how each replica is now, by its id."""
        of, readings = self._from, self._from.prober.readings()
        found: dict[str, dict[str, Any]] = {}
        for entry in list(of.snapshot.replicas.values())[:REPLICAS_MAX]:
            said = readings.get(entry.id)
            found[str(entry.id)] = {
                "is_up": entry.active and of.health.may_take(entry),
                "breaker": int(of.health.state(entry.id)),
                "running": of.fleet.running(entry.id),
                "foreign": of.health.foreign(entry),
                "waiting": said.waiting if said else None,
                "filled_permille": said.filled_permille if said else None,
            }
        return found

    def _counted(self) -> Iterator[tuple[str, int]]:
        """Yield all that is counted, since the process started."""
        counted = self._from.metrics
        for status, count in counted.settled.items():
            yield f"settled.{status.name.lower()}", count
        for of, count in counted.tokens.items():
            yield f"tokens.{of.name.lower()}", count
        for answered, count in counted.responses.items():
            yield f"responses.{answered}", count
        refused = Counter({str(why): count for why, count in counted.refused.items()})
        for pool in self._from.scheduler.metrics.pools.values():
            refused.update({str(why): n for why, n in pool.unserved.items()})
        for why, count in refused.items():
            yield f"refused.{why}", count
        for replica_id, each in counted.replicas.items().items():
            of_it = f"replica.{replica_id}"
            yield f"{of_it}.settled", each.settled
            yield f"{of_it}.failed", each.failed
            yield f"{of_it}.input_tokens", each.input_tokens
            yield f"{of_it}.cached_input_tokens", each.cached_input_tokens
            yield f"{of_it}.output_tokens", each.output_tokens
            for bound, count in each.first_token.filled():
                label = ABOVE if bound is None else bound
                yield f"{of_it}.first_token_us.{label}", count
