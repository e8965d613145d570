"""What the gateway must show beside others, as `figure | bar | goal | seen`. Pure.

CPU is held to its bars on any machine. Delays and gaps are only where the machine was
quiet: elsewhere they are shown as not seen rather than as good or bad.
"""

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.bench.report import grid
from tests.bench.results import Results
from tests.bench.targets import DIRECT, NGINX, TOLLGATE

PER_TOKEN, PER_REQUEST = "cpu_ms_per_100k_tokens", "cpu_ms_per_1k_requests"
ROUTER = "vllm-router"
# nginx adds less than two runs of the engine alone differ by: then that is the unit.
UNIT_MS_MIN = 0.1
_NOTHING = "–"


class Verdict(enum.Enum):
    """What is to be said of a figure."""

    GOAL = "goal"
    MET = "met"
    MISSED = "missed"
    UNSEEN = "not seen"


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure, the bar it must meet, and the goal beyond, which not all have."""

    figure: str
    seen: Callable[[Results], float | None]
    bar: float
    goal: float | None
    form: str
    is_delay: bool = False
    # More of it is better.
    is_more: bool = False

    def value(self, results: Results) -> float | None:
        """Return what was seen; nothing where it was not measured, or not quietly."""
        if self.is_delay and not results.are_delays_ours:
            return None
        return self.seen(results)

    def verdict(self, results: Results) -> Verdict:
        """Judge what was seen."""
        value = self.value(results)
        if value is None:
            return Verdict.UNSEEN
        if self.goal is not None and self._holds(value, self.goal):
            return Verdict.GOAL
        return Verdict.MET if self._holds(value, self.bar) else Verdict.MISSED

    def cells(self, results: Results) -> list[str]:
        """Return the row of a table."""
        value, sign = self.value(results), "≥" if self.is_more else "≤"
        goal = _NOTHING if self.goal is None else f"{sign} {self._text(self.goal)}"
        return [
            self.figure,
            f"{sign} {self._text(self.bar)}",
            goal,
            _NOTHING if value is None else self._text(value),
            self.verdict(results).value,
        ]

    def _holds(self, value: float, limit: float) -> bool:
        return value >= limit if self.is_more else value <= limit

    def _text(self, value: float) -> str:
        return self.form.format(value)


def _cost(scenario: str, figure: str, target: str) -> Callable[[Results], float | None]:
    """Return what the gateway needs as a multiple of what another does."""

    def seen(results: Results) -> float | None:
        ours = results.figure(scenario, TOLLGATE, figure)
        theirs = results.figure(scenario, target, figure)
        return ours / theirs if ours and theirs else None

    return seen


def _per_core(results: Results) -> float | None:
    """Return the tokens of a core as a multiple of the router's."""
    cost = _cost("sat", PER_TOKEN, ROUTER)(results)
    return 1 / cost if cost else None


def _first_token(share: str) -> Callable[[Results], float | None]:
    """Return what is added to the first token as a multiple of what nginx adds."""

    def seen(results: Results) -> float | None:
        figure = f"first_ms_{share}"
        ours, theirs = (
            added(results, "c128h", target, figure) for target in (TOLLGATE, NGINX)
        )
        if ours is None or theirs is None:
            return None
        return max(ours, 0.0) / max(theirs, UNIT_MS_MIN)

    return seen


def added(results: Results, scenario: str, target: str, figure: str) -> float | None:
    """Return a delay less the engine's own; nothing where either is not known."""
    theirs, own = (results.figure(scenario, each, figure) for each in (target, DIRECT))
    return None if theirs is None or own is None else theirs - own


def _own(scenario: str, figure: str) -> Callable[[Results], float | None]:
    return lambda results: results.figure(scenario, TOLLGATE, figure)


BARS: Sequence[Bar] = (
    Bar(
        "CPU of a request, `ns`, beside nginx",
        _cost("ns", PER_REQUEST, NGINX),
        *(8.0, 3.3, "{:.1f} ×"),
    ),
    Bar(
        "CPU of a token, `c128h`, beside nginx",
        _cost("c128h", PER_TOKEN, NGINX),
        *(2.5, 1.3, "{:.2f} ×"),
    ),
    Bar(
        "tokens/s of a core, `sat`, beside vllm-router",
        _per_core,
        *(0.8, 1.1, "{:.2f} ×"),
        is_more=True,
    ),
    Bar(
        "added to the first token, `c128h` p50, beside nginx",
        _first_token("p50"),
        *(4.0, 2.0, "{:.1f} ×"),
        is_delay=True,
    ),
    Bar(
        "the same, p99",
        _first_token("p99"),
        *(4.0, 2.0, "{:.1f} ×"),
        is_delay=True,
    ),
    Bar(
        "memory of each of 1,000 open streams",
        _own("s1000", "stream_kib"),
        *(100.0, None, "{:,.0f} KiB"),
    ),
    Bar(
        "longest gap in any of them, a token each 50 ms",
        _own("s1000", "gap_ms_max"),
        *(100.0, None, "{:,.0f} ms"),
        is_delay=True,
    ),
    Bar(
        "memory of each of 5,000 open streams",
        _own("s5000", "stream_kib"),
        *(100.0, None, "{:,.0f} KiB"),
    ),
    Bar(
        "longest gap in any of them, a token each 500 ms",
        _own("s5000", "gap_ms_max"),
        # As late as one of a thousand may be.
        *(550.0, None, "{:,.0f} ms"),
        is_delay=True,
    ),
    Bar(
        "added to the first token after 100,000, `k100` p50",
        lambda results: added(results, "k100", TOLLGATE, "first_ms_p50"),
        *(5.0, None, "{:.1f} ms"),
        is_delay=True,
    ),
)
_TITLES = ("figure", "bar", "goal", "seen", "verdict")


def bars_table(results: Results) -> str:
    """Return the table as text."""
    return "\n" + "\n".join(grid([_TITLES, *_rows(results)])).replace("`", "")


def bars_markdown(results: Results) -> str:
    """Return the table as Markdown."""
    lines = ["| figure | bar | goal | seen | |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in _rows(results))])


def _rows(results: Results) -> Iterator[list[str]]:
    for bar in BARS:
        yield bar.cells(results)
