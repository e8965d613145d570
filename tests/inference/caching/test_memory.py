"""The cache in memory: never above its bytes, the least lately used first."""

from hypothesis import given
from hypothesis import strategies as st

from inference.caching.memory import ENTRY_BYTES, MemoryCache


async def test_the_least_lately_used_goes_first() -> None:
    cache = MemoryCache(bytes_max=3 * (1 + 10 + ENTRY_BYTES))
    for key in (b"a", b"b", b"c"):
        cache.put(key, b"x" * 10, ttl_s=60)
    assert await cache.get(b"a") is not None
    cache.put(b"d", b"x" * 10, ttl_s=60)
    assert await cache.get(b"b") is None
    assert [await cache.get(key) is not None for key in (b"a", b"c", b"d")] == [
        True
    ] * 3


async def test_what_has_run_out_takes_no_place() -> None:
    now_us = 0
    cache = MemoryCache(bytes_max=10_000, now_us=lambda: now_us)
    cache.put(b"a", b"x", ttl_s=1)
    now_us = 999_999
    assert await cache.get(b"a") == b"x"
    now_us = 1_000_000
    assert await cache.get(b"a") is None
    assert (cache.size, len(cache)) == (0, 0)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2000))),
    st.integers(0, 5000),
)
def test_its_size_is_what_it_holds_and_never_too_much(
    puts: list[tuple[int, int]], bytes_max: int
) -> None:
    cache = MemoryCache(bytes_max=bytes_max, now_us=lambda: 0)
    for key, size in puts:
        cache.put(b"%d" % key, b"x" * size, ttl_s=1)
        assert cache.size <= bytes_max
    assert (cache.size == 0) is (len(cache) == 0)
