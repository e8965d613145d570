"""The cache in a store: what is there in clear, and a store that is away or hangs."""

import time

from inference.caching.answers import KeptAnswers
from inference.caching.valkey import REST_US, ValkeyCache
from inference.limiting.address import parse_address
from inference.limiting.client import StoreClient
from tests.inference.limiting.store import Store

KEY = b"k" * 32
# The product's own deadline, and what is promised of it.
DEADLINE_S, FELT_S = 0.025, 0.05


async def test_the_store_holds_no_word_of_a_prompt_or_an_answer(
    store: Store, shared: ValkeyCache
) -> None:
    answers = KeptAnswers(shared, b"secret")
    key = answers.key(1, b"the prompt")
    answers.put(1, key, b"the answer", ttl_s=60)
    assert await answers.get(1, key) == b"the answer"
    [name] = store.admin.execute_command("KEYS", "*", NEVER_DECODE=True)
    value = store.admin.execute_command("GET", name, NEVER_DECODE=True)
    assert name.startswith(b"tg:rc:")
    for secret in (b"prompt", b"answer"):
        assert secret not in name + value


async def test_what_was_altered_there_is_a_miss(
    store: Store, shared: ValkeyCache
) -> None:
    answers = KeptAnswers(shared, b"secret")
    key = answers.key(1, b"the prompt")
    answers.put(1, key, b"the answer", ttl_s=60)
    assert await answers.get(1, key) is not None
    store.admin.set(b"tg:rc:" + key, b"not what was kept there at all")
    assert await answers.get(1, key) is None


async def test_without_a_store_there_is_nothing_and_at_once() -> None:
    client = StoreClient(parse_address("unix:///nowhere/at/all"), deadline_s=DEADLINE_S)
    cache = ValkeyCache(lambda: client)
    began = time.perf_counter()
    cache.put(KEY, b"value", ttl_s=60)
    assert await cache.get(KEY) is None
    assert time.perf_counter() - began < FELT_S
    await cache.close()


async def test_a_store_that_hangs_is_felt_once_and_found_again(store: Store) -> None:
    now_us = 1
    client = StoreClient(parse_address(store.url), deadline_s=DEADLINE_S)
    cache = ValkeyCache(lambda: client, now_us=lambda: now_us)
    assert await client.connected(seconds_max=10)
    store.freeze()
    try:
        began = time.perf_counter()
        assert await cache.get(KEY) is None
        felt_s = time.perf_counter() - began
        began = time.perf_counter()
        for _ in range(1000):
            assert await cache.get(KEY) is None
        rested_s = time.perf_counter() - began
    finally:
        store.thaw()
    # Twice, for a machine that is busy with other tests.
    assert felt_s < 2 * FELT_S
    assert rested_s < FELT_S
    now_us += REST_US
    assert await client.connected(seconds_max=10)
    store.admin.set(b"tg:rc:" + KEY, b"value")
    assert await cache.get(KEY) == b"value"
    await cache.close()
