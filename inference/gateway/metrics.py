"""Plain integers, counted on the way and turned into Prometheus text on scrape.

Labels are of low cardinality: tenants, keys and models are looked up in SQL, not here.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from kit.contracts import CountedBy, EventStatus, Outcome, TokenClass

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class GatewayMetrics:
    """What one gateway process counts."""

    responses: Counter[int] = field(default_factory=Counter)
    settled: Counter[EventStatus] = field(default_factory=Counter)
    counted_by: Counter[CountedBy] = field(default_factory=Counter)
    tokens: Counter[TokenClass] = field(default_factory=Counter)
    engine_failures: int = 0
    undelivered: int = 0

    def add_settled(self, outcome: Outcome) -> None:
        """Count a settled request."""
        counts = outcome.counts
        self.settled[outcome.status] += 1
        self.counted_by[outcome.counted_by] += 1
        self.tokens[TokenClass.INPUT] += counts.input_tokens
        self.tokens[TokenClass.CACHED_INPUT] += counts.cached_input_tokens
        self.tokens[TokenClass.OUTPUT] += counts.output_tokens


class MetricsPage:
    """Renders the metrics of the process; gauges are read at the scrape."""

    def __init__(
        self,
        metrics: GatewayMetrics,
        *,
        gateway: str,
        gauges: Mapping[str, tuple[str, Callable[[], float]]],
        counters: Mapping[str, tuple[str, Callable[[], float]]],
    ) -> None:
        self._metrics = metrics
        self._gateway = gateway
        self._gauges = gauges
        self._counters = counters
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
        own = {
            "tollgate_engine_failures": (
                "Requests that an engine failed.",
                lambda: counted.engine_failures,
            ),
            "tollgate_undelivered": (
                "Answers settled but not handed over.",
                lambda: counted.undelivered,
            ),
        }
        for name, (help_text, read) in {**own, **self._counters}.items():
            yield self._filled(CounterMetricFamily, name, help_text, read)
        for name, (help_text, read) in self._gauges.items():
            yield self._filled(GaugeMetricFamily, name, help_text, read)

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


def _named(values: Mapping[Any, int]) -> dict[str, int]:
    return {member.name.lower(): count for member, count in values.items()}
