"""How a request went by, as the gateway measures it and the meter keeps it. Pure.

The definitions are those of `vllm bench serve` (`inference.gateway.stopwatch`).
"""

from kit.records import record


@record(frozen=True, slots=True)
class Latency:
    """How a request went by, in microseconds; None is what nobody measured.

    It was sent to its engine at `queue_us`, its client had the last token at
    `last_token_us`, both since its arrival. `chunks` pieces of a stream carried text,
    and no two in a row were further apart than `gap_max_us`.
    """

    queue_us: int | None = None
    last_token_us: int | None = None
    chunks: int | None = None
    gap_max_us: int | None = None


NO_LATENCY = Latency()
