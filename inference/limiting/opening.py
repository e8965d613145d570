"""Opens the limiter that an installation needs: in memory, or in a store and guarded.

Failure: an address that cannot be read is a `ValueError`. A store that does not answer
keeps nobody from starting.
"""

from collections.abc import Callable

from inference.limiting.address import parse_address
from inference.limiting.ahead import AheadLimiter
from inference.limiting.client import StoreClient
from inference.limiting.guarded import GuardedLimiter
from inference.limiting.memory import MemoryLimiter
from inference.limiting.valkey import GREETING, ValkeyLimiter


async def open_limiter(
    url: str, *, processes: Callable[[], int], deadline_ms: int = 25
) -> MemoryLimiter | GuardedLimiter:
    """Return a limiter in the store at `url`; without one, in this process's memory."""
    if not url:
        return MemoryLimiter()
    client = StoreClient(
        parse_address(url), deadline_s=deadline_ms / 1000, greeting=GREETING
    )
    await client.connected()
    limiter = GuardedLimiter(AheadLimiter(ValkeyLimiter(client)), processes=processes)
    await limiter.begin()
    return limiter
