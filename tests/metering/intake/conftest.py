"""A witness on the test's database, a proxy in front of it, and meters that run."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.databases import Database
from tests.metering.intake.metered import Witness
from tests.standins.tcp_proxy import TcpProxy


@pytest.fixture
def url(fresh_database: Database) -> str:
    """Provide the gateway role's address of the test's database."""
    return fresh_database.url_for("gateway")


@pytest.fixture
def witness(fresh_database: Database) -> Iterator[Witness]:
    """Provide an onlooker's connection."""
    made = Witness(fresh_database)
    yield made
    made.close()


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[TcpProxy]:
    """Provide a proxy in front of the test's database."""
    async with TcpProxy.before(url) as made:
        yield made
