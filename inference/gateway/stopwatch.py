"""When things happened to one request, as its client sees them.

The definitions are those of `vllm bench serve`, but that a request begins with its
arrival here: time to first token; the distances between chunks of text (ITL); the end
of the last token (E2EL); from these the time per output token after the first (TPOT).
Besides, until when a request waited to be sent to an engine, and how long that took.
Never fails. Costs a hot loop one look at the clock and one bisection per piece.
"""

from inference.gateway.latencies import ModelLatencies
from kit.clock import boot_us
from kit.latency import Latency


class Stopwatch:
    """Times one request; all in microseconds since its arrival."""

    __slots__ = (
        "_chunks",
        "_gap_max_us",
        "_observe_gap",
        "_started_us",
        "first_us",
        "last_us",
        "queue_us",
    )

    def __init__(self, started_us: int, latencies: ModelLatencies) -> None:
        self._started_us = started_us
        self._observe_gap = latencies.gap.observe
        self._chunks = 0
        self._gap_max_us: int | None = None
        self.queue_us: int | None = None
        self.first_us: int | None = None
        self.last_us: int | None = None

    def now_us(self) -> int:
        """Return how long ago the request arrived."""
        return boot_us() - self._started_us

    def sent(self) -> None:
        """Note that an engine is sent the request; the last that is counts."""
        self.queue_us = boot_us() - self._started_us

    def tokens(self) -> None:
        """Note that the client has tokens that came by no chunk of text."""
        self.last_us = now_us = boot_us() - self._started_us
        if self.first_us is None:
            self.first_us = now_us

    def answered(self) -> None:
        """Note that an engine's whole answer is here, where it has no tokens."""
        if self.last_us is None:
            self.last_us = boot_us() - self._started_us

    def chunks(self, so_far: int, *, is_slow: bool = False) -> None:
        """Note that the client has so many chunks of text by now.

        What comes in one piece has no distance. The distances of a client that reads
        slowly are its own, and not told to others.
        """
        new = so_far - self._chunks
        if new <= 0:
            return
        self._chunks = so_far
        now_us = boot_us() - self._started_us
        last_us, self.last_us = self.last_us, now_us
        if self.first_us is None:
            self.first_us = now_us
        if last_us is not None:
            gap_us = now_us - last_us
            if self._gap_max_us is None or gap_us > self._gap_max_us:
                self._gap_max_us = gap_us
            if not is_slow:
                self._observe_gap(gap_us)
        elif new > 1:
            self._gap_max_us = 0
        if new > 1 and not is_slow:
            self._observe_gap(0, new - 1)

    def latency(self, *, streamed: bool) -> Latency:
        """Return what is kept of it: chunks only of what the client had as a stream."""
        return Latency(
            queue_us=self.queue_us,
            last_token_us=self.last_us,
            chunks=self._chunks if streamed else None,
            gap_max_us=self._gap_max_us if streamed else None,
        )

    def headers(self, model: str, *, begins: bool) -> dict[str, str]:
        """Return what is known now; `begins` when the first text leaves with it."""
        now_us = self.now_us()
        known = {"openai-processing-ms": str(now_us // 1000), "x-tollgate-model": model}
        if self.queue_us is not None:
            known["x-tollgate-queue-ms"] = _ms(self.queue_us)
            if self.last_us is not None:
                known["x-tollgate-engine-ms"] = _ms(self.last_us - self.queue_us)
        if begins:
            known["x-tollgate-ttft-ms"] = _ms(now_us)
        return known


def _ms(us: int) -> str:
    return f"{us / 1000:.3f}"
