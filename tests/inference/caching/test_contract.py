"""What every cache does, in memory or in a store."""

import asyncio

from inference.caching.cache import VALUE_BYTES_MAX, ResponseCache

KEY, OTHER = b"\0" * 32, b"\xff" * 32


async def test_what_is_put_is_got_and_nothing_else(cache: ResponseCache) -> None:
    assert await cache.get(KEY) is None
    cache.put(KEY, b"one \r\n\0 answer", ttl_s=60)
    assert await cache.get(KEY) == b"one \r\n\0 answer"
    assert await cache.get(OTHER) is None
    cache.put(KEY, b"another", ttl_s=60)
    assert await cache.get(KEY) == b"another"


async def test_it_runs_out(cache: ResponseCache) -> None:
    cache.put(KEY, b"soon gone", ttl_s=1)
    assert await cache.get(KEY) == b"soon gone"
    # A store tells the time by itself.
    await asyncio.sleep(1.1)
    assert await cache.get(KEY) is None


async def test_what_is_too_large_is_not_kept(cache: ResponseCache) -> None:
    largest = b"x" * VALUE_BYTES_MAX
    cache.put(KEY, largest, ttl_s=60)
    cache.put(OTHER, largest + b"x", ttl_s=60)
    assert await cache.get(KEY) == largest
    assert await cache.get(OTHER) is None


async def test_many_at_once_get_their_own(cache: ResponseCache) -> None:
    keys = [number.to_bytes(32, "big") for number in range(200)]
    for key in keys:
        cache.put(key, b"of " + key, ttl_s=60)
    assert await asyncio.gather(*map(cache.get, keys)) == [b"of " + key for key in keys]
