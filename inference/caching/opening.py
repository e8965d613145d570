"""Opens the cache that an installation needs: in memory, or in the store of its limits.

Failure: an address that cannot be read is a `ValueError`.
"""

from inference.caching.cache import ResponseCache
from inference.caching.memory import MemoryCache
from inference.caching.valkey import ValkeyCache
from inference.limiting.address import parse_address
from inference.limiting.client import StoreClient


def open_cache(url: str, *, bytes_max: int, deadline_ms: int) -> ResponseCache:
    """Return a cache in the store at `url`; without one, in this process's memory."""
    if not url:
        return MemoryCache(bytes_max=bytes_max)
    address = parse_address(url)
    return ValkeyCache(lambda: StoreClient(address, deadline_s=deadline_ms / 1000))
