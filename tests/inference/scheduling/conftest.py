"""A real store for each module, and processes that share a replica's slots by it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from inference.limiting.address import parse_address
from inference.limiting.client import StoreClient
from inference.scheduling.leases import GREETING, LeasedShares
from tests.inference.limiting.store import Store
from tests.inference.scheduling.world import World

Join = Callable[..., Awaitable[World]]


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
async def join(store: Store) -> AsyncIterator[Join]:
    """Provide a function that starts another process, as it were; the test ticks it."""
    made: list[LeasedShares] = []

    async def another(
        *slots: int, processes: int = 2, deadline_s: float = 5.0
    ) -> World:
        client = StoreClient(
            parse_address(store.url), deadline_s=deadline_s, greeting=GREETING
        )
        assert await client.connected(seconds_max=10)
        shares = LeasedShares(client, gateway="g", processes=lambda: processes)
        made.append(shares)
        return World(slots or (8,), shares)

    yield another
    for shares in made:
        await shares.close()
