"""Read a running vLLM from outside: its address, its model and its own token counters.

The counters are the second witness of every metering test: the engine adds them up by
itself, knows nothing of Tollgate, and cannot be wrong in the same way.

Failure: an engine that does not answer raises httpx's own error.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

TIMEOUT_SECONDS = 30.0

_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:]+)(?:\{.*\})? (?P<value>\S+)$", re.M)


@dataclass(frozen=True)
class EngineCounters:
    """What an engine counted since it started; cached tokens are prompt tokens too."""

    prompt_tokens: int
    cached_tokens: int
    generation_tokens: int

    def __sub__(self, before: "EngineCounters") -> "EngineCounters":
        return EngineCounters(
            prompt_tokens=self.prompt_tokens - before.prompt_tokens,
            cached_tokens=self.cached_tokens - before.cached_tokens,
            generation_tokens=self.generation_tokens - before.generation_tokens,
        )


@dataclass(frozen=True)
class Engine:
    """An OpenAI-compatible vLLM at `url` (no `/v1`), serving `model`."""

    url: str
    model: str

    def counters(self) -> EngineCounters:
        """Read the engine's token counters as they are now."""
        samples = self._samples()
        return EngineCounters(
            prompt_tokens=samples["vllm:prompt_tokens_total"],
            cached_tokens=samples["vllm:prefix_cache_hits_total"],
            generation_tokens=samples["vllm:generation_tokens_total"],
        )

    def count_text(self, prompt: str) -> int:
        """Ask the engine how many tokens `prompt` is to it."""
        return self._count({"prompt": prompt})

    def count_chat(self, messages: Sequence[Mapping[str, object]]) -> int:
        """Ask the engine how many tokens a conversation is, its template included."""
        return self._count({"messages": list(messages)})

    def _count(self, question: Mapping[str, object]) -> int:
        answer = httpx.post(
            f"{self.url}/tokenize",
            json={"model": self.model, **question},
            timeout=TIMEOUT_SECONDS,
        )
        answer.raise_for_status()
        return int(answer.json()["count"])

    def is_idle(self) -> bool:
        """Tell whether the engine has no request running and none waiting."""
        samples = self._samples()
        waiting = samples["vllm:num_requests_waiting"]
        return samples["vllm:num_requests_running"] + waiting == 0

    def _samples(self) -> dict[str, int]:
        answer = httpx.get(f"{self.url}/metrics", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return parse_samples(answer.text)


def parse_samples(exposition: str) -> dict[str, int]:
    """Sum a Prometheus exposition's whole-numbered samples by name, over their labels.

    Token counters are whole numbers that Prometheus writes as floats (`12.0`); what has
    a fraction is no count and is left out.
    """
    totals: dict[str, int] = {}
    for sample in _SAMPLE.finditer(exposition):
        value = float(sample["value"])
        if value.is_integer():
            totals[sample["name"]] = totals.get(sample["name"], 0) + int(value)
    return totals
