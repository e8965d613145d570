"""Plain integers, counted on the way and turned into Prometheus text on scrape.

Labels are of low cardinality: tenants and keys are looked up in SQL, not here, and only
so many models have a label. Durations are measured from a request's arrival.
"""

import enum
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from inference.gateway.bound_watch import BoundWatch
from inference.gateway.latencies import Latencies
from inference.gateway.replica_counts import ReplicaCounts
from kit.contracts import CountedBy, EventStatus, Outcome, TokenClass
from kit.histogram import Histogram

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
US_PER_SECOND = 1_000_000


class Refusal(enum.StrEnum):
    """Why a request was not admitted, though its caller may call."""

    RATE_LIMIT = "rate_limit"
    CONCURRENCY = "concurrency"
    BUDGET_HELD = "budget_held"
    INSUFFICIENT_QUOTA = "insufficient_quota"


Readings = Mapping[str, tuple[str, Callable[[], float]]]


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers by one label of few values, read at the scrape."""

    name: str
    help_text: str
    label: str
    read: Callable[[], Mapping[str, float]]
    is_counter: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """Durations by one label of few values, read at the scrape."""

    name: str
    help_text: str
    label: str
    read: Callable[[], Mapping[str, Histogram]]


def _by_streamed() -> dict[bool, Histogram]:
    return {False: Histogram(), True: Histogram()}


@dataclass(slots=True)
class GatewayMetrics:
    """What one gateway process counts."""

    responses: Counter[int] = field(default_factory=Counter)
    settled: Counter[EventStatus] = field(default_factory=Counter)
    counted_by: Counter[CountedBy] = field(default_factory=Counter)
    tokens: Counter[TokenClass] = field(default_factory=Counter)
    refused: Counter[Refusal] = field(default_factory=Counter)
    engine_failures: int = 0
    undelivered: int = 0
    # Of budgets: holds and extensions that are waited for now, extensions that were
    # not in hand, answers that a budget ended, and those that were put together.
    holds_waiting: int = 0
    extensions_waiting: int = 0
    extensions: int = 0
    budget_ends: int = 0
    reassembled: int = 0
    fallbacks: int = 0
    bounds: BoundWatch = field(default_factory=BoundWatch)
    duration: dict[bool, Histogram] = field(default_factory=_by_streamed)
    latencies: Latencies = field(default_factory=Latencies)
    replicas: ReplicaCounts = field(default_factory=ReplicaCounts)

    def add_settled(self, outcome: Outcome, *, model: str, streamed: bool) -> None:
        """Count a settled request."""
        counts = outcome.counts
        self.settled[outcome.status] += 1
        self.counted_by[outcome.counted_by] += 1
        self.tokens[TokenClass.INPUT] += counts.input_tokens
        self.tokens[TokenClass.CACHED_INPUT] += counts.cached_input_tokens
        self.tokens[TokenClass.OUTPUT] += counts.output_tokens
        self.duration[streamed].observe(outcome.duration_us)
        self.latencies.of(model).add(outcome, streamed=streamed)
        self.replicas.of(outcome.replica_id).add(outcome, streamed=streamed)


class MetricsPage:
    """Renders the metrics of the process; gauges are read at the scrape."""

    def __init__(
        self,
        metrics: GatewayMetrics,
        *,
        gateway: str,
        gauges: Mapping[str, tuple[str, Callable[[], float]]],
        counters: Mapping[str, tuple[str, Callable[[], float]]],
        histograms: Mapping[str, tuple[str, Histogram]] = MappingProxyType({}),
        families: Sequence[Family] = (),
        spreads: Sequence[Spread] = (),
    ) -> None:
        self._metrics = metrics
        self._families = families
        self._spreads = spreads
        self._gateway = gateway
        self._gauges = gauges
        self._counters = counters
        self._histograms = histograms
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        """Return the Prometheus text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield all families; called by the registry.

        Each series names its gateway: processes that share a port answer in turn.
        """
        counted = self._metrics
        yield self._by(
            "tollgate_responses", "Answers by HTTP status.", "status", counted.responses
        )
        yield self._by(
            "tollgate_settled",
            "Settled requests by why they ended.",
            "status",
            _named(counted.settled),
        )
        yield self._by(
            "tollgate_counted",
            "Settled requests by who counted their tokens.",
            "by",
            _named(counted.counted_by),
        )
        yield self._by(
            "tollgate_tokens",
            "Settled tokens by class.",
            "class",
            _named(counted.tokens),
        )
        yield self._by(
            "tollgate_refused",
            "Requests that a limit did not admit, by which kind.",
            "reason",
            counted.refused,
        )
        own = {
            "tollgate_engine_failures": (
                "Requests that an engine failed.",
                lambda: counted.engine_failures,
            ),
            "tollgate_undelivered": (
                "Answers settled but not handed over.",
                lambda: counted.undelivered,
            ),
            **_of_budgets(counted),
        }
        for name, (help_text, read) in {**own, **self._counters}.items():
            yield self._filled(CounterMetricFamily, name, help_text, read)
        gauges = {**_waits(counted), **self._gauges}
        for name, (help_text, read) in gauges.items():
            yield self._filled(GaugeMetricFamily, name, help_text, read)
        for each in self._families:
            yield self._labelled(each)
        yield self._spread(
            "tollgate_request_duration_seconds",
            "From a request's arrival to the end of its answer.",
            ["streamed"],
            {str(is_so).lower(): each for is_so, each in counted.duration.items()},
        )
        for name, help_text, by_model in counted.latencies.histograms():
            yield self._spread(name, help_text, ["model"], by_model)
        for of in self._spreads:
            yield self._spread(of.name, of.help_text, [of.label], of.read())
        for name, (help_text, histogram) in self._histograms.items():
            yield self._spread(name, help_text, [], {None: histogram})

    def _by(
        self, name: str, help_text: str, label: str, values: Mapping[Any, int]
    ) -> Metric:
        family = CounterMetricFamily(name, help_text, labels=["gateway", label])
        for key, value in values.items():
            family.add_metric([self._gateway, str(key)], value)
        return family

    def _filled(
        self,
        family_of: type[CounterMetricFamily] | type[GaugeMetricFamily],
        name: str,
        help_text: str,
        read: Callable[[], float],
    ) -> Metric:
        family = family_of(name, help_text, labels=["gateway"])
        family.add_metric([self._gateway], read())
        return family

    def _labelled(self, of: Family) -> Metric:
        family_of = CounterMetricFamily if of.is_counter else GaugeMetricFamily
        family = family_of(of.name, of.help_text, labels=["gateway", of.label])
        for value, number in of.read().items():
            family.add_metric([self._gateway, value], number)
        return family

    def _spread(
        self,
        name: str,
        help_text: str,
        labels: list[str],
        histograms: Mapping[Any, Histogram],
    ) -> Metric:
        """Return durations, which are counted in microseconds, as seconds."""
        family = HistogramMetricFamily(name, help_text, labels=["gateway", *labels])
        for value, histogram in histograms.items():
            family.add_metric(
                [self._gateway, value] if labels else [self._gateway],
                buckets=[
                    (_seconds(bound), count) for bound, count in histogram.cumulative()
                ],
                sum_value=histogram.sum / US_PER_SECOND,
            )
        return family


def _of_budgets(counted: GatewayMetrics) -> Readings:
    return {
        "tollgate_budget_extensions": (
            "Times that an answer had to get more held before it went on.",
            lambda: counted.extensions,
        ),
        "tollgate_budget_ends": (
            "Answers that a budget ended.",
            lambda: counted.budget_ends,
        ),
        "tollgate_prompt_bounds_exceeded": (
            "Prompts that were longer than their bound: calibrate the model.",
            counted.bounds.total,
        ),
        "tollgate_fallbacks": (
            "Answers of fallbacks, where no replica of the model took a request.",
            lambda: counted.fallbacks,
        ),
        "tollgate_reassembled": (
            "Whole answers that were streamed from the engine near a budget's end.",
            lambda: counted.reassembled,
        ),
    }


def _waits(counted: GatewayMetrics) -> Readings:
    return {
        "tollgate_holds_waiting": (
            "Requests that wait until a budget holds them.",
            lambda: counted.holds_waiting,
        ),
        "tollgate_budget_extensions_waiting": (
            "Answers that wait until more of them is held.",
            lambda: counted.extensions_waiting,
        ),
    }


def _seconds(bound_us: int | None) -> str:
    return "+Inf" if bound_us is None else str(bound_us / US_PER_SECOND)


def _named(values: Mapping[Any, int]) -> dict[str, int]:
    return {member.name.lower(): count for member, count in values.items()}
