"""Plain integers, counted on the way and turned into Prometheus text on scrape.

Labels are of low cardinality: tenants, keys and models are looked up in SQL, not here.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from kit.contracts import CountedBy, EventStatus, TokenClass, TokenCounts

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

    def add_settled(
        self, status: EventStatus, counted_by: CountedBy, counts: TokenCounts
    ) -> None:
        """Count a settled request."""
        self.settled[status] += 1
        self.counted_by[counted_by] += 1
        self.tokens[TokenClass.INPUT] += counts.input_tokens
        self.tokens[TokenClass.CACHED_INPUT] += counts.cached_input_tokens
        self.tokens[TokenClass.OUTPUT] += counts.output_tokens


class MetricsPage:
    """Renders the metrics of the process; gauges are read at the scrape."""

    def __init__(
        self,
        metrics: GatewayMetrics,
        *,
        gauges: Mapping[str, tuple[str, Callable[[], float]]],
        counters: Mapping[str, tuple[str, Callable[[], float]]],
    ) -> None:
        self._metrics = metrics
        self._gauges = gauges
        self._counters = counters
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        """Return the Prometheus text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield all families; called by the registry."""
        yield _labelled(
            "tollgate_responses",
            "Answers by HTTP status.",
            "status",
            self._metrics.responses,
        )
        yield _labelled(
            "tollgate_settled",
            "Settled requests by why they ended.",
            "status",
            {status.name.lower(): n for status, n in self._metrics.settled.items()},
        )
        yield _labelled(
            "tollgate_counted",
            "Settled requests by who counted their tokens.",
            "by",
            {by.name.lower(): n for by, n in self._metrics.counted_by.items()},
        )
        yield _labelled(
            "tollgate_tokens",
            "Settled tokens by class.",
            "class",
            {cls.name.lower(): n for cls, n in self._metrics.tokens.items()},
        )
        own = {
            "tollgate_engine_failures": (
                "Requests that an engine failed.",
                self._metrics.engine_failures,
            ),
            "tollgate_undelivered": (
                "Answers settled but not handed over.",
                self._metrics.undelivered,
            ),
        }
        for name, (help_text, value) in own.items():
            yield CounterMetricFamily(name, help_text, value=value)
        for name, (help_text, read) in self._counters.items():
            yield CounterMetricFamily(name, help_text, value=read())
        for name, (help_text, read) in self._gauges.items():
            yield GaugeMetricFamily(name, help_text, value=read())


def _labelled(
    name: str, help_text: str, label: str, values: Mapping[str, int] | Mapping[int, int]
) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family
