"""Where answers are kept: the Protocol that memory and a store both implement.

A cache holds bytes that mean nothing to it, under keys that tell nothing. Whatever it
has lost or cannot reach is a miss: it never fails a request, nor holds one up.
"""

from typing import Protocol

# Of one answer, sealed. Larger ones are not kept.
VALUE_BYTES_MAX = 60_000


class ResponseCache(Protocol):
    """Keeps values for a while."""

    async def get(self, key: bytes) -> bytes | None:
        """Return what is kept under a key; None for whatever is not to be had."""
        ...

    def put(self, key: bytes, value: bytes, *, ttl_s: int) -> None:
        """Keep a value for so long; one too large or without a place is let go."""
        ...

    async def close(self) -> None:
        """Let go of whatever is held open."""
        ...
