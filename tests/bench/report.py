"""Measurements into one table of medians per scenario, and into JSON.

The direct row shows what the engine and the client do by themselves; the rows below add
to its delays. CPU is compared with nginx, or throughput with the engine's where nginx
is missing. An exclamation mark stands at a number that was the bench's own limit, and
a line below says when others used the machine.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench.scenarios import Scenario
from tests.bench.targets import DIRECT, NGINX

BUSY_SHARE_MAX = 0.9
QUIET_CORES_MAX = 0.2
_NOTHING = "-"
_DERIVED = (
    "cpu_ms_per_1k_requests",
    "cpu_ms_per_100k_tokens",
    "database_ms_per_1k_requests",
    "cache_ms_per_1k_requests",
    "all_ms_per_1k_requests",
    "all_ms_per_100k_tokens",
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One scenario against one target, once. Times in ms, CPU in cores."""

    scenario: str
    target: str
    requests_per_s: float
    tokens_per_s: float
    first_ms_p50: float | None
    first_ms_p99: float | None
    gap_ms_p50: float | None
    gap_ms_p99: float | None
    errors: int
    broken: int
    client_cores: float
    engine_cores: float
    other_cores: float
    gateway_cores: float | None = None
    gateway_mib: float | None = None
    database_cores: float | None = None
    # From the last token to the end of the answer.
    ending_ms_p50: float | None = None
    ending_ms_p99: float | None = None
    # The longest that any stream waited for its next token.
    gap_ms_max: float | None = None
    cache_cores: float | None = None
    # What the gateway's memory has grown by since it started, for each open stream.
    stream_kib: float | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def cpu_ms_per_1k_requests(self) -> float | None:
        """Return the gateway's CPU for a thousand requests."""
        return _per(self.gateway_cores, self.requests_per_s, 1_000)

    @property
    def cpu_ms_per_100k_tokens(self) -> float | None:
        """Return the gateway's CPU for a hundred thousand tokens."""
        return _per(self.gateway_cores, self.tokens_per_s, 100_000)

    @property
    def database_ms_per_1k_requests(self) -> float | None:
        """Return PostgreSQL's CPU for a thousand requests, rollups included."""
        return _per(self.database_cores, self.requests_per_s, 1_000)

    @property
    def cache_ms_per_1k_requests(self) -> float | None:
        """Return Valkey's CPU for a thousand requests, the workers' queue included."""
        return _per(self.cache_cores, self.requests_per_s, 1_000)

    @property
    def all_cores(self) -> float | None:
        """Return what gateway and stores use together."""
        if self.gateway_cores is None:
            return None
        stores = (self.database_cores, self.cache_cores)
        return self.gateway_cores + sum(cores or 0.0 for cores in stores)

    @property
    def all_ms_per_1k_requests(self) -> float | None:
        """Return the CPU of gateway and stores for a thousand requests."""
        return _per(self.all_cores, self.requests_per_s, 1_000)

    @property
    def all_ms_per_100k_tokens(self) -> float | None:
        """Return the CPU of gateway and stores for a hundred thousand tokens."""
        return _per(self.all_cores, self.tokens_per_s, 100_000)

    def as_json(self) -> dict[str, Any]:
        """Return all of it, what is derived included."""
        return {**asdict(self), **{name: getattr(self, name) for name in _DERIVED}}


def percentile_ms(values_ns: Sequence[int], share: float) -> float | None:
    """Return the value that this share of all does not exceed, in milliseconds."""
    if not values_ns:
        return None
    position = min(int(len(values_ns) * share), len(values_ns) - 1)
    return sorted(values_ns)[position] / 1e6


def table(
    scenario: Scenario,
    rows: Mapping[str, Sequence[Measurement]],
    *,
    load_is_shared: bool,
) -> str:
    """Return the scenario's table, one line per target, with what is wrong below."""
    lines = _Lines(scenario, rows, load_is_shared)
    cells = [lines.titles(), *(lines.of(name) for name in rows)]
    head = f"\n{scenario.name}: {scenario.question}\n{load_of(scenario)}\n"
    return "\n".join([head, *grid(cells), *faults(rows), *noise(rows)])


def grid(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of cells as text: the first column to the left, the others right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


class _Lines:
    """The cells of one table."""

    def __init__(
        self,
        scenario: Scenario,
        rows: Mapping[str, Sequence[Measurement]],
        load_is_shared: bool,
    ) -> None:
        self._rows = rows
        self._base = NGINX if NGINX in rows else DIRECT
        self._load_is_shared = load_is_shared
        work = ("1k_requests", "1k req")
        if scenario.stream:
            work = ("100k_tokens", "100k tok")
        cost = (f"cpu_ms_per_{work[0]}", f"cpu ms/{work[1]}")
        whole = f"all_ms_per_{work[0]}"
        first = "ttft" if scenario.stream else "answer"
        self._columns: list[tuple[str, Callable[[str], str]]] = [
            ("target", str),
            ("req/s", lambda name: self._plain(name, "requests_per_s", 0)),
            ("tok/s", lambda name: self._plain(name, "tokens_per_s", 0)),
            (cost[1], lambda name: self._plain(name, cost[0], 1)),
            (f"x {self._base}", lambda name: self._ratio(name, cost[0])),
            ("with stores", lambda name: self._plain(name, whole, 1)),
            (f"{first} ms p50", lambda name: self._added(name, "first_ms_p50")),
            ("p99", lambda name: self._added(name, "first_ms_p99")),
        ]
        if scenario.is_paced:
            self._columns += [
                ("token ms p50", lambda name: self._added(name, "gap_ms_p50")),
                ("p99", lambda name: self._added(name, "gap_ms_p99")),
                ("max", lambda name: self._plain(name, "gap_ms_max", 0)),
            ]
        if scenario.is_crowd:
            self._columns += [
                ("KiB/stream", lambda name: self._plain(name, "stream_kib", 0))
            ]
        self._columns += [
            ("errors", lambda name: str(sum(row.errors for row in rows[name]))),
            ("broken", lambda name: str(sum(row.broken for row in rows[name]))),
            ("rss MiB", lambda name: self._plain(name, "gateway_mib", 0)),
            ("cpu gateway", lambda name: self._plain(name, "gateway_cores", 2)),
            ("postgres", lambda name: self._plain(name, "database_cores", 2)),
            ("valkey", lambda name: self._plain(name, "cache_cores", 3)),
            ("client", lambda name: self._watched(name, "client_cores")),
            ("engine", lambda name: self._watched(name, "engine_cores")),
            ("others", lambda name: self._plain(name, "other_cores", 2)),
        ]

    def titles(self) -> list[str]:
        return [title for title, _ in self._columns]

    def of(self, name: str) -> list[str]:
        return [cell(name) for _, cell in self._columns]

    def _median(self, name: str, figure: str) -> float | None:
        values = [getattr(row, figure) for row in self._rows.get(name, ())]
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else None

    def _plain(self, name: str, figure: str, digits: int) -> str:
        value = self._median(name, figure)
        return _NOTHING if value is None else f"{value:,.{digits}f}"

    def _added(self, name: str, figure: str) -> str:
        value, direct = self._median(name, figure), self._median(DIRECT, figure)
        if value is None:
            return _NOTHING
        if name == DIRECT or direct is None:
            return f"{value:.2f}"
        return f"{value - direct:+.2f}"

    def _ratio(self, name: str, cost: str) -> str:
        if self._base == DIRECT:
            ours, theirs = (
                self._median(each, "tokens_per_s") for each in (DIRECT, name)
            )
        else:
            ours, theirs = (self._median(each, cost) for each in (name, NGINX))
        return f"{ours / theirs:.2f}" if ours and theirs else _NOTHING

    def _watched(self, name: str, figure: str) -> str:
        value = self._median(name, figure)
        if value is None:
            return _NOTHING
        # On one core between them, they are the limit together.
        both = ("client_cores", "engine_cores") if self._load_is_shared else (figure,)
        load = sum(self._median(name, each) or 0.0 for each in both)
        return f"{value:.2f}{'!' if load > BUSY_SHARE_MAX else ''}"


def load_of(scenario: Scenario) -> str:
    """Return a scenario's load in words."""
    pace = f", a token each {scenario.inter_token_ms:g} ms" if scenario.is_paced else ""
    kind = "streamed" if scenario.stream else "unstreamed"
    return f"{scenario.connections} connections, {scenario.tokens} tokens {kind}{pace}"


def faults(rows: Mapping[str, Sequence[Measurement]]) -> list[str]:
    """Return what was wrong with answers, a line each."""
    return [
        f"{name}: {count} x {reason}"
        for name, measured in rows.items()
        for row in measured
        for reason, count in row.reasons.items()
    ]


def noise(rows: Mapping[str, Sequence[Measurement]]) -> list[str]:
    """Return a line about what others used, if that was much."""
    foreign = [row.other_cores for measured in rows.values() for row in measured]
    if not foreign or max(foreign) <= QUIET_CORES_MAX:
        return []
    return [
        f"others used up to {max(foreign):.1f} cores: CPU compares, delays hardly do"
    ]


def _per(cores: float | None, rate: float, amount: int) -> float | None:
    return cores / rate * amount * 1000 if cores is not None and rate else None
