"""Kept answers: a tenant finds its own, and no request of another's finds one."""

import random

from inference.caching.answers import KeptAnswers
from inference.caching.memory import MemoryCache

SECRET = b"secret of the tests"
TENANTS, REQUESTS = 100, 1000


def answers() -> KeptAnswers:
    """Return answers in a cache that has a place for all of them."""
    return KeptAnswers(MemoryCache(bytes_max=2**30), SECRET)


async def test_of_100_000_pairs_each_gets_its_own_and_none_another_s() -> None:
    kept, chance = answers(), random.Random(7)
    # Every request is asked by every tenant; half of each are answered.
    answered: set[tuple[int, int]] = set()
    for tenant in range(TENANTS):
        for request in range(REQUESTS):
            if chance.random() < 0.5:
                key = kept.key(tenant, b"request %d" % request)
                kept.put(tenant, key, b"%d:%d" % (tenant, request), ttl_s=60)
                answered.add((tenant, request))
    for tenant in range(TENANTS):
        for request in range(REQUESTS):
            key = kept.key(tenant, b"request %d" % request)
            found = await kept.get(tenant, key)
            if (tenant, request) in answered:
                assert found == b"%d:%d" % (tenant, request)
            else:
                assert found is None
    assert kept.metrics.hits == len(answered)
    assert kept.metrics.misses == TENANTS * REQUESTS - len(answered)


async def test_another_tenant_cannot_read_what_lies_under_its_key() -> None:
    kept = answers()
    key = kept.key(1, b"asked")
    kept.put(1, key, b"answer", ttl_s=60)
    # As a fault that mixed up keys would have it.
    assert await kept.get(2, key) is None
    moved = kept.key(2, b"asked")
    sealed = await kept.cache.get(key)
    assert sealed is not None
    kept.cache.put(moved, sealed, ttl_s=60)
    assert await kept.get(2, moved) is None
    assert await kept.get(1, moved) is None


def test_keys_are_told_apart_by_tenant_and_secret() -> None:
    one = answers()
    other = KeptAnswers(one.cache, b"another secret")
    keys = {
        one.key(1, b"1"),
        one.key(1, b"2"),
        one.key(11, b""),
        one.key(1, b"\0" + b"1"),
        other.key(1, b"1"),
    }
    assert len(keys) == 5
