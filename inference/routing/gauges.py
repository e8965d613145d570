"""Read from an engine's page of metrics what runs there, and which process it is.

Only the few wanted lines are looked at: a page may be hundreds of kilobytes, and it is
read between two chunks of somebody's stream. A gauge that stands in several lines, such
as one of each rank, is their sum. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_STARTED = b"process_start_time_seconds"
# What a name is followed by; anything else is another, longer name.
_AFTER = (b"{", b" ")


@dataclass(frozen=True, slots=True)
class Names:
    """What an engine calls how much it runs, what waits, and what it has made."""

    running: bytes
    waiting: bytes
    made: bytes


NAMES: Mapping[str, Names] = {
    "vllm": Names(
        b"vllm:num_requests_running",
        b"vllm:num_requests_waiting",
        b"vllm:generation_tokens_total",
    ),
    "sglang": Names(
        b"sglang:num_running_reqs",
        b"sglang:num_queue_reqs",
        b"sglang:generation_tokens_total",
    ),
    "llamacpp": Names(
        b"llamacpp:requests_processing",
        b"llamacpp:requests_deferred",
        b"llamacpp:tokens_predicted_total",
    ),
    "tgi": Names(b"tgi_batch_current_size", b"tgi_queue_size", b"tgi_request_count"),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one page says; `started` and `made` are 0 where it does not say."""

    requests: int
    started: float
    made: float

    def is_of_another_process(self, before: "Reading") -> bool:
        """Tell whether the engine has started anew since a reading."""
        return self.started != before.started or self.made < before.made


def read(page: bytes, names: Names) -> Reading | None:
    """Return what a page says; None where it does not say what runs."""
    running = _sum(page, names.running)
    if running is None:
        return None
    requests = running + (_sum(page, names.waiting) or 0.0)
    return Reading(
        requests=max(0, int(requests)),
        started=_sum(page, _STARTED) or 0.0,
        made=_sum(page, names.made) or 0.0,
    )


def _sum(page: bytes, name: bytes) -> float | None:
    """Add up a metric's samples over its labels; None where there is none."""
    total: float | None = None
    at = page.find(name)
    while at >= 0:
        end = at + len(name)
        if (at == 0 or page[at - 1 : at] == b"\n") and page[end : end + 1] in _AFTER:
            total = (total or 0.0) + _value(page, end)
        at = page.find(name, end)
    return total


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
