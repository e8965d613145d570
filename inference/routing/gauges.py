"""Read from an engine's page of metrics what runs there, and which process it is.

Only the few wanted lines are looked at: a page may be hundreds of kilobytes, and it is
read between two chunks of somebody's stream. A gauge that stands in several lines, such
as one of each rank, is their sum. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_STARTED = b"process_start_time_seconds"
# What a name is followed by; anything else is another, longer name.
_AFTER = (b"{", b" ")


@dataclass(frozen=True, slots=True)
class Names:
    """What an engine calls how much it runs, what waits, and what it has made.

    `filled` is the part of its KV cache that is in use, from 0 to 1; empty where it
    has no such gauge.
    """

    running: bytes
    waiting: bytes
    made: bytes
    filled: bytes = b""


NAMES: Mapping[str, Names] = {
    "vllm": Names(
        b"vllm:num_requests_running",
        b"vllm:num_requests_waiting",
        b"vllm:generation_tokens_total",
        b"vllm:kv_cache_usage_perc",
    ),
    "sglang": Names(
        b"sglang:num_running_reqs",
        b"sglang:num_queue_reqs",
        b"sglang:generation_tokens_total",
        b"sglang:token_usage",
    ),
    "llamacpp": Names(
        b"llamacpp:requests_processing",
        b"llamacpp:requests_deferred",
        b"llamacpp:tokens_predicted_total",
        b"llamacpp:kv_cache_usage_ratio",
    ),
    "tgi": Names(b"tgi_batch_current_size", b"tgi_queue_size", b"tgi_request_count"),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one page says; `started` and `made` are 0 where it does not say.

    `waiting` are those of `requests` that wait within the engine; `filled_permille` is
    None where nothing is said of its KV cache.
    """

    requests: int
    started: float
    made: float
    waiting: int = 0
    filled_permille: int | None = None

    def is_of_another_process(self, before: "Reading") -> bool:
        """Tell whether the engine has started anew since a reading."""
        return self.started != before.started or self.made < before.made


def read(page: bytes, names: Names) -> Reading | None:
    """Return what a page says; None where it does not say what runs."""
    running = _sum(page, names.running)
    if running is None:
        return None
    waiting = _sum(page, names.waiting) or 0.0
    return Reading(
        requests=max(0, int(running + waiting)),
        started=_sum(page, _STARTED) or 0.0,
        made=_sum(page, names.made) or 0.0,
        waiting=max(0, int(waiting)),
        filled_permille=_filled(page, names.filled),
    )


def _filled(page: bytes, name: bytes) -> int | None:
    """Return the fullest rank's share of its cache, of a thousand."""
    shares = list(_samples(page, name)) if name else []
    return min(1000, max(0, round(max(shares) * 1000))) if shares else None


def _sum(page: bytes, name: bytes) -> float | None:
    """Add up a metric's samples over its labels; None where there is none."""
    values = list(_samples(page, name))
    return sum(values) if values else None


def _samples(page: bytes, name: bytes) -> Iterator[float]:
    """Yield a metric's samples, one for each set of labels."""
    at = page.find(name)
    while at >= 0:
        end = at + len(name)
        if (at == 0 or page[at - 1 : at] == b"\n") and page[end : end + 1] in _AFTER:
            yield _value(page, end)
        at = page.find(name, end)


def _value(page: bytes, at: int) -> float:
    """Return the number of the line that goes on here; 0 for what is none."""
    end = page.find(b"\n", at)
    line = page[at : end if end >= 0 else len(page)]
    try:
        # A label may hold whatever it likes, but for the end of the line.
        value = float(line.rpartition(b"}")[2].split()[0])
    except (IndexError, ValueError):
        return 0.0
    return value if abs(value) < 1e15 else 0.0
