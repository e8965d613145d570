"""Both caches: in memory, and in a real store of the module's own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from inference.caching.cache import ResponseCache
from inference.caching.memory import MemoryCache
from inference.caching.valkey import ValkeyCache
from inference.limiting.address import parse_address
from inference.limiting.client import StoreClient
from tests.inference.limiting.store import Store

# Longer than the product's, for a machine that is busy with other tests.
PATIENT_S = 5.0


@pytest.fixture(scope="module")
def running_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Provide a Valkey to the tests of a module."""
    folder: Path = tmp_path_factory.mktemp("v")
    with Store(folder) as store:
        yield store


@pytest.fixture
def store(running_store: Store) -> Store:
    """Provide a Valkey that knows nothing."""
    running_store.admin.flushall()
    return running_store


@pytest.fixture
async def shared(store: Store) -> AsyncIterator[ValkeyCache]:
    """Provide a cache in the store, connected."""
    client = StoreClient(parse_address(store.url), deadline_s=PATIENT_S)
    assert await client.connected(seconds_max=10)
    cache = ValkeyCache(lambda: client)
    yield cache
    await client.close()


@pytest.fixture(params=["memory", "valkey"])
def cache(request: pytest.FixtureRequest) -> ResponseCache:
    """Provide each kind of cache in turn."""
    if request.param == "memory":
        return MemoryCache(bytes_max=1024 * 1024)
    made: ValkeyCache = request.getfixturevalue("shared")
    return made
