"""A real store for each module, empty before each test, and limiters that use it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from inference.limiting.address import parse_address
from inference.limiting.ahead import AheadLimiter
from inference.limiting.client import StoreClient
from inference.limiting.limiter import RateLimiter
from inference.limiting.memory import MemoryLimiter
from inference.limiting.slots import SlotBook
from inference.limiting.valkey import GREETING, ValkeyLimiter
from tests.inference.limiting.store import Store

# Longer than the product's, for a machine that is busy with other tests.
PATIENT_S = 5.0

Connect = Callable[..., Awaitable[ValkeyLimiter]]


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
    running_store.admin.script_flush()
    return running_store


@pytest.fixture
async def connect(store: Store) -> AsyncIterator[Connect]:
    """Provide a function that returns another process's limiter, as it were."""
    made: list[ValkeyLimiter] = []

    async def another(
        url: str = store.url,
        *,
        deadline_s: float = PATIENT_S,
        slots: SlotBook | None = None,
    ) -> ValkeyLimiter:
        client = StoreClient(
            parse_address(url), deadline_s=deadline_s, greeting=GREETING
        )
        limiter = ValkeyLimiter(client, slots=slots)
        made.append(limiter)
        assert await client.connected(seconds_max=10)
        return limiter

    yield another
    for limiter in made:
        await limiter.close()


@pytest.fixture(params=["memory", "valkey", "ahead"])
async def limiter(request: pytest.FixtureRequest, connect: Connect) -> RateLimiter:
    """Provide each kind of limiter in turn."""
    if request.param == "memory":
        return MemoryLimiter()
    store = await connect()
    return AheadLimiter(store) if request.param == "ahead" else store
