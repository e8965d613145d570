"""How fast each served model's answers came, as histograms for the page of metrics.

Operators make models, and there are few; should there be many, those that come later
share one place, so that no page grows without bound. Owns: the histograms.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from kit.contracts import Outcome
from kit.histogram import Histogram

# How many models have histograms of their own, and the name of all others together.
MODELS_MAX = 50
OTHERS = "others"
# Between two tokens a few milliseconds make the difference.
TOKEN_BOUNDS_US = tuple(
    ms * 1000
    for ms in (
        *(1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 75, 100),
        *(150, 200, 300, 500, 1_000, 2_500, 10_000, 60_000, 300_000),
    )
)


def _of_tokens() -> Histogram:
    return Histogram(TOKEN_BOUNDS_US)


@dataclass(frozen=True, slots=True)
class ModelLatencies:
    """The histograms of one model."""

    queue: Histogram = field(default_factory=Histogram)
    engine: Histogram = field(default_factory=Histogram)
    first_token: Histogram = field(default_factory=Histogram)
    gap: Histogram = field(default_factory=_of_tokens)
    per_token: Histogram = field(default_factory=_of_tokens)

    def add(self, outcome: Outcome, *, streamed: bool) -> None:
        """Count a settled request: its gaps are counted as they come.

        Nobody waits for the first token of an answer that comes at once.
        """
        latency, first_us = outcome.latency, outcome.first_token_us
        queue_us, last_us = latency.queue_us, latency.last_token_us
        if queue_us is not None:
            self.queue.observe(queue_us)
            if last_us is not None:
                self.engine.observe(last_us - queue_us)
        if streamed and first_us is not None:
            self.first_token.observe(first_us)
            others = outcome.counts.output_tokens - 1
            if last_us is not None and others > 0:
                self.per_token.observe((last_us - first_us) // others)


_HISTOGRAMS: Mapping[str, tuple[str, Callable[[ModelLatencies], Histogram]]] = {
    "tollgate_queue_seconds": (
        "From a request's arrival until it was sent to an engine.",
        lambda of: of.queue,
    ),
    "tollgate_engine_seconds": (
        "From then until its last token.",
        lambda of: of.engine,
    ),
    "tollgate_time_to_first_token_seconds": (
        "From a stream's arrival until its client had the first token.",
        lambda of: of.first_token,
    ),
    "tollgate_inter_chunk_seconds": (
        "Between two chunks of a stream: what vLLM calls inter-token latency.",
        lambda of: of.gap,
    ),
    "tollgate_time_per_output_token_seconds": (
        "From a stream's first token to its last, per token after the first.",
        lambda of: of.per_token,
    ),
}


class Latencies:
    """The histograms of all models."""

    def __init__(self) -> None:
        self._by_model: dict[str, ModelLatencies] = {}

    def of(self, model: str) -> ModelLatencies:
        """Return a model's own, or those that it shares."""
        found = self._by_model.get(model)
        if found is None:
            name = model if len(self._by_model) < MODELS_MAX else OTHERS
            found = self._by_model.setdefault(name, ModelLatencies())
        return found

    def histograms(self) -> Iterator[tuple[str, str, dict[str, Histogram]]]:
        """Yield each kind with its name, its help, and by model."""
        for name, (help_text, pick) in _HISTOGRAMS.items():
            yield name, help_text, {m: pick(of) for m, of in self._by_model.items()}
