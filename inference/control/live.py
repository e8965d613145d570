"""How serving is just now, as the gateways' pulses tell it, put together.

A process tells every two seconds how it is and what it counted within about a minute;
here they are added up. Nothing of it is what anybody is billed.

Failure: a process that is silent for `SILENT` is not counted among those that run, and
what it ran is not known. Where none tells anything, all figures are of nothing, and
`gateways` is empty.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inference.control.models import Publication, Pulse, Replica
from inference.gateway.pulse import ABOVE
from inference.gateway.replica_counts import FIRST_TOKEN_BOUNDS_US
from kit.histogram import quantile
from kit.orm.atomic import cursor

# Several pulses late; a gateway that was killed is noticed in that time.
SILENT = dt.timedelta(seconds=10)
FORGOTTEN_AFTER = dt.timedelta(days=1)
# Few enough to be read at once, many more than anybody runs.
GATEWAYS_MAX = 1000
_OWN_KEY_SEEN = "SELECT seen_by, running FROM control_own_key_seen(%s, %s)"


@dataclass(frozen=True, slots=True)
class GatewayNow:
    """One gateway process; `version` is the publication it has followed up to."""

    name: str
    at: dt.datetime
    started_at: dt.datetime
    is_silent: bool
    is_ready: bool
    version: int
    running: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was counted within about a minute; rates are a second's, times ten."""

    settled: int = 0
    failed: int = 0
    requests_per_10s: int = 0
    output_tokens_per_10s: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    first_token_p50_us: int | None = None
    first_token_p95_us: int | None = None

    @property
    def cached_percent(self) -> int | None:
        """Return how much of the prompts the engines had in their caches."""
        prompt = self.input_tokens + self.cached_input_tokens
        return self.cached_input_tokens * 100 // prompt if prompt else None

    @property
    def output_tokens_per_s(self) -> str:
        """Return a second's tokens, with one decimal where they are few."""
        return _per_s(self.output_tokens_per_10s)

    @property
    def requests_per_s(self) -> str:
        """Return a second's requests, with one decimal where they are few."""
        return _per_s(self.requests_per_10s)

    @property
    def failed_percent(self) -> str:
        """Return how many of the settled requests an engine failed."""
        return f"{self.failed * 1000 // self.settled / 10:g}" if self.settled else "0"


@dataclass(frozen=True, slots=True)
class ReplicaNow:
    """One replica, as the gateways see it.

    `up_for` of the running gateways send it requests. `running` is all that its engine
    has, others' too; `waiting` of these wait within it. None is what it does not tell.
    """

    id: int
    model: str
    name: str
    state: str
    slots: int
    weight: int
    canary: bool
    up_for: int
    seen_by: int
    running: int
    waiting: int | None
    filled_percent: int | None
    traffic: Traffic

    @property
    def is_healthy(self) -> bool:
        """Tell whether some gateway sends it requests."""
        return self.state == Replica.State.ACTIVE and self.up_for > 0

    @property
    def condition(self) -> str:
        """Return its state in a word: what an operator set, else how it is."""
        if self.state != Replica.State.ACTIVE:
            return self.state
        if not self.seen_by:
            return "unknown"
        if self.up_for == self.seen_by:
            return "healthy"
        return "failing" if self.up_for else "down"


@dataclass(frozen=True, slots=True)
class ModelNow:
    """One served model: its replicas, who waits for them, how fast it answers."""

    name: str
    replicas: tuple[ReplicaNow, ...]
    waiting: int
    traffic: Traffic

    @property
    def healthy(self) -> int:
        """Count the replicas that take requests."""
        return sum(each.is_healthy for each in self.replicas)

    @property
    def expected(self) -> int:
        """Count those that should."""
        return sum(each.state == Replica.State.ACTIVE for each in self.replicas)

    @property
    def running(self) -> int:
        """Count what their engines have."""
        return sum(each.running for each in self.replicas)


@dataclass(frozen=True, slots=True)
class Now:
    """All of it, of one moment."""

    at: dt.datetime
    gateways: tuple[GatewayNow, ...]
    models: tuple[ModelNow, ...]
    traffic: Traffic
    refused: tuple[tuple[str, int], ...]
    # The tenants with most running requests: their ids, and how many those are.
    tenants: tuple[tuple[int, int], ...]
    running: int = 0
    waiting: int = 0
    replicas: Sequence[ReplicaNow] = field(default=())

    @property
    def live_gateways(self) -> int:
        """Count the processes that have told something within `SILENT`."""
        return sum(not each.is_silent for each in self.gateways)

    @property
    def healthy(self) -> int:
        """Count the replicas that take requests."""
        return sum(each.is_healthy for each in self.replicas)

    @property
    def expected(self) -> int:
        """Count those that should."""
        return sum(each.state == Replica.State.ACTIVE for each in self.replicas)

    @property
    def refusals(self) -> int:
        """Count all that was refused within the minute."""
        return sum(count for _, count in self.refused)


@dataclass(frozen=True, slots=True)
class Seen:
    """How many of the running gateways have followed up to a publication."""

    by: int
    of: int


def now_serving(*, now: dt.datetime) -> Now:
    """Put together what the gateways told; two statements, however many there are."""
    since = now - FORGOTTEN_AFTER
    pulses = list(Pulse.objects.filter(at__gt=since).order_by("gateway")[:GATEWAYS_MAX])
    live = [each for each in pulses if not _is_silent(each, now)]
    counts = _Counts(live)
    replicas = tuple(
        _replica(row, live, counts) for row in Replica.objects.select_related("model")
    )
    waiting = _added(each.body["waiting"] for each in live)
    running = _added(dict(each.body["tenants"]) for each in live)
    return Now(
        at=now,
        gateways=tuple(_gateway(each, now) for each in pulses),
        models=_models(replicas, waiting, counts),
        traffic=counts.traffic(each.id for each in replicas),
        refused=tuple(
            Counter(counts.named("refused.")).most_common(),
        ),
        tenants=tuple(running.most_common()),
        running=sum(each.body["running"] for each in live),
        waiting=waiting.total(),
        replicas=replicas,
    )


def seen(*, kind: str, key: str, now: dt.datetime) -> Seen | None:
    """Return how many gateways know an entry's last publication; None of no entry."""
    entry = Publication.objects.filter(kind=kind, key=key).first()
    if entry is None:
        return None
    live = Pulse.objects.filter(at__gt=now - SILENT)
    versions = live.values_list("body__version", flat=True)[:GATEWAYS_MAX]
    told = [int(each) for each in versions]
    return Seen(by=sum(each >= entry.version for each in told), of=len(told))


def own_key_seen(*, digest: str, now: dt.datetime) -> Seen | None:
    """Return the same of a key of the tenant in force, asked in the tenants' role.

    None where there is no such key of this tenant. Gateways say how they are to nobody
    but operators, so the database counts them.
    """
    with cursor() as session:
        session.execute(_OWN_KEY_SEEN, (digest, now - SILENT))
        found = session.fetchone()
    return None if found is None else Seen(by=found[0], of=found[1])


def forget(*, now: dt.datetime) -> int:
    """Delete the pulses of processes that have gone; return how many."""
    gone, _ = Pulse.objects.filter(at__lt=now - FORGOTTEN_AFTER).delete()
    return gone


class _Counts:
    """What processes counted, each over a span of its own, added up."""

    def __init__(self, pulses: Iterable[Pulse]) -> None:
        self._counts: Counter[str] = Counter()
        # Of each count how much that is a second, times a thousand.
        self._rates: Counter[str] = Counter()
        for each in pulses:
            span_ms = max(1, int(each.body["span_ms"]))
            for name, count in each.body["counts"].items():
                self._counts[name] += count
                self._rates[name] += count * 1_000_000 // span_ms

    def named(self, prefix: str) -> dict[str, int]:
        """Return the counts whose name begins so, by the rest of it."""
        return {
            name.removeprefix(prefix): count
            for name, count in self._counts.items()
            if name.startswith(prefix)
        }

    def traffic(self, replica_ids: Iterable[int]) -> Traffic:
        """Return what came of the requests of some replicas."""
        names = [f"replica.{each}." for each in replica_ids]

        def total(what: str, of: Counter[str]) -> int:
            return sum(of[name + what] for name in names)

        first: Counter[int | None] = Counter()
        for name in names:
            for bound in (*FIRST_TOKEN_BOUNDS_US, None):
                label = ABOVE if bound is None else bound
                first[bound] += self._counts[f"{name}first_token_us.{label}"]
        return Traffic(
            settled=total("settled", self._counts),
            failed=total("failed", self._counts),
            requests_per_10s=total("settled", self._rates) // 100,
            output_tokens_per_10s=total("output_tokens", self._rates) // 100,
            input_tokens=total("input_tokens", self._counts),
            cached_input_tokens=total("cached_input_tokens", self._counts),
            first_token_p50_us=quantile(first, 500, bounds=FIRST_TOKEN_BOUNDS_US),
            first_token_p95_us=quantile(first, 950, bounds=FIRST_TOKEN_BOUNDS_US),
        )


def _gateway(pulse: Pulse, now: dt.datetime) -> GatewayNow:
    body = pulse.body
    return GatewayNow(
        name=pulse.gateway,
        at=pulse.at,
        started_at=pulse.started_at,
        is_silent=_is_silent(pulse, now),
        is_ready=bool(body["is_ready"]),
        version=int(body["version"]),
        running=int(body["running"]),
        waiting=sum(body["waiting"].values()),
    )


def _replica(row: Replica, live: Sequence[Pulse], counts: _Counts) -> ReplicaNow:
    told: list[Mapping[str, Any]] = [
        each.body["replicas"][str(row.pk)]
        for each in live
        if str(row.pk) in each.body["replicas"]
    ]
    own = sum(each["running"] for each in told)
    # What one process calls foreign includes what the others sent.
    by_gauges = max((each["running"] + each["foreign"] for each in told), default=0)
    filled = _largest(told, "filled_permille")
    return ReplicaNow(
        id=row.pk,
        model=row.model.name,
        name=row.name,
        state=row.state,
        slots=row.slots,
        weight=row.weight,
        canary=row.canary,
        up_for=sum(each["is_up"] for each in told),
        seen_by=len(told),
        running=max(own, by_gauges),
        waiting=_largest(told, "waiting"),
        filled_percent=None if filled is None else filled // 10,
        traffic=counts.traffic((row.pk,)),
    )


def _models(
    replicas: Iterable[ReplicaNow], waiting: Mapping[str, int], counts: _Counts
) -> tuple[ModelNow, ...]:
    by_model: dict[str, list[ReplicaNow]] = {}
    for each in replicas:
        by_model.setdefault(each.model, []).append(each)
    return tuple(
        ModelNow(
            name=name,
            replicas=tuple(sorted(those, key=lambda each: each.name)),
            waiting=waiting.get(name, 0),
            traffic=counts.traffic(each.id for each in those),
        )
        for name, those in sorted(by_model.items())
    )


def _largest(told: Iterable[Mapping[str, Any]], what: str) -> int | None:
    return max((each[what] for each in told if each[what] is not None), default=None)


def _added(counts: Iterable[Mapping[Any, int]]) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for each in counts:
        total.update(each)
    return total


def _is_silent(pulse: Pulse, now: dt.datetime) -> bool:
    return pulse.at < now - SILENT


def _per_s(tenths: int) -> str:
    whole, rest = divmod(tenths, 10)
    return f"{whole:,}" if whole >= 100 or not rest else f"{whole}.{rest}"
