"""What the engine has done so far, as vLLM counts it and as a bill should.

The two differ where vLLM's do: its `prompt_tokens_total` counts a prompt once per
choice, its usage (and so `prompt_tokens` here) once per request. A prompt counts when
its first token is made, a generated token when it is made; a client that leaves is
counted in `aborted` and in no `request_success` row. One process, one event loop: no
locks.
"""

from dataclasses import dataclass, field

# Bounds of the histogram of the answers that a prompt was asked for.
ANSWERS_BOUNDS = (1, 2, 5, 10, 20)
FINISH_REASONS = ("stop", "length", "abort", "error", "repetition")


@dataclass(slots=True)
class Counters:
    """Totals since the process started, and the requests under way."""

    started_at: float
    requests: int = 0
    aborted: int = 0
    faults: int = 0
    connections: int = 0
    open_exchanges: int = 0
    prompt_tokens: int = 0
    prefilled_tokens: int = 0
    cached_tokens: int = 0
    cache_queries: int = 0
    cache_hits: int = 0
    generation_tokens: int = 0
    running_requests: int = 0
    running_sequences: int = 0
    waiting_sequences: int = 0
    rejected: int = 0
    finished: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(FINISH_REASONS, 0)
    )
    # How many prompts were answered so many times, to the end.
    answered: dict[int, int] = field(default_factory=dict)

    def add_answered(self, prompts: int, *, each: int) -> None:
        """Count prompts that were answered to the end, `each` times."""
        self.answered[each] = self.answered.get(each, 0) + prompts

    def stats(self) -> dict[str, int]:
        """Return the ground truth that tests compare a meter with."""
        return {
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "generation_tokens": self.generation_tokens,
            "running": self.running_requests,
            "sequences_running": self.running_sequences,
            "sequences_waiting": self.waiting_sequences,
            "open": self.open_exchanges,
            "connections": self.connections,
            "aborted": self.aborted,
            "faults": self.faults,
        }

    def prometheus(self, *, model: str, places: int = 0) -> str:
        """Return the metrics page, in the names and labels of vLLM.

        Of the KV cache so much is in use as of the places for sequences, if any.
        """
        where = f'engine="0",model_name="{_escaped(model)}"'
        lines = _family(
            "process_start_time_seconds",
            "gauge",
            "Start time of the process since unix epoch in seconds.",
        )
        lines.append(f"process_start_time_seconds {self.started_at:.2f}")
        for name, kind, about, value in self._metrics():
            lines += _family(name, kind, about)
            lines.append(f"{name}{{{where}}} {float(value)}")
        name = "vllm:kv_cache_usage_perc"
        lines += _family(name, "gauge", "KV-cache usage. 1 means 100 percent usage.")
        filled = min(1.0, self.running_sequences / places) if places else 0.0
        lines.append(f"{name}{{{where}}} {filled}")
        name = "vllm:request_success_total"
        lines += _family(name, "counter", "Count of successfully processed requests.")
        for reason, count in self.finished.items():
            labels = f'engine="0",finished_reason="{reason}",{where.split(",", 1)[1]}'
            lines.append(f"{name}{{{labels}}} {float(count)}")
        name = "vllm:admission_rejections_total"
        lines += _family(
            name,
            "counter",
            "Number of admission attempts rejected by a queue limit, by reason.",
        )
        reasons = {"max_num_queued_reqs": self.rejected, "max_num_queued_tokens": 0}
        for reason, count in reasons.items():
            labels = f'{where.split(",", 1)[1]},reason="{reason}"'
            lines.append(f"{name}{{{labels}}} {float(count)}")
        return "\n".join([*lines, *self._answered(where), ""])

    def _answered(self, where: str) -> list[str]:
        """Return the histogram of `n`, as vLLM observes it when a request ends."""
        name, engine = "vllm:request_params_n", where.partition(",")
        lines = _family(name, "histogram", "Histogram of the n request parameter.")
        prompts = sum(self.answered.values())
        for bound in ANSWERS_BOUNDS:
            count = sum(each for n, each in self.answered.items() if n <= bound)
            labels = f'{engine[0]},le="{float(bound)}",{engine[2]}'
            lines.append(f"{name}_bucket{{{labels}}} {float(count)}")
        labels = f'{engine[0]},le="+Inf",{engine[2]}'
        lines.append(f"{name}_bucket{{{labels}}} {float(prompts)}")
        answers = sum(n * each for n, each in self.answered.items())
        lines.append(f"{name}_count{{{where}}} {float(prompts)}")
        lines.append(f"{name}_sum{{{where}}} {float(answers)}")
        return lines

    def _metrics(self) -> tuple[tuple[str, str, str, int], ...]:
        """Return name, kind, description and value of the metrics without labels."""
        return (
            (
                "vllm:num_requests_running",
                "gauge",
                "Number of requests in model execution batches.",
                self.running_sequences,
            ),
            (
                "vllm:num_requests_waiting",
                "gauge",
                "Number of requests waiting to be processed.",
                self.waiting_sequences,
            ),
            (
                "vllm:prefix_cache_queries_total",
                "counter",
                "Prefix cache queries, in terms of number of queried tokens.",
                self.cache_queries,
            ),
            (
                "vllm:prefix_cache_hits_total",
                "counter",
                "Prefix cache hits, in terms of number of cached tokens.",
                self.cache_hits,
            ),
            (
                "vllm:prompt_tokens_total",
                "counter",
                "Number of prefill tokens processed.",
                self.prefilled_tokens,
            ),
            (
                "vllm:prompt_tokens_cached_total",
                "counter",
                "Number of cached prompt tokens (local + external).",
                self.cached_tokens,
            ),
            (
                "vllm:generation_tokens_total",
                "counter",
                "Number of generation tokens processed.",
                self.generation_tokens,
            ),
        )


def _family(name: str, kind: str, about: str) -> list[str]:
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
