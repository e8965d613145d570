"""Connections that come back, and followers that miss no news for long."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from functools import partial

import psycopg
import pytest
from psycopg import AsyncConnection

from kit import postgres
from kit.postgres import connect, follow
from tests.eventually import eventually
from tests.standins.tcp_proxy import TcpProxy

# Other processes run these tests in the same database.
CHANNEL = f"some_news_{os.getpid()}"
NAME = "the follower"
NEVER_S = 3600.0


class Reader:
    """Counts what it reads, and fails when told to."""

    def __init__(self) -> None:
        self.reads = 0
        self.failures = 0
        self.delays: list[asyncio.Event] = []

    def has_read(self, times: int) -> bool:
        """Tell whether it was so many times."""
        return self.reads == times

    async def refresh(self, connection: AsyncConnection) -> None:
        """Read once."""
        await connection.execute("SELECT 1")
        if self.delays:
            await self.delays.pop().wait()
        if self.failures:
            self.failures -= 1
            raise RuntimeError("nobody thought of this")
        self.reads += 1


@pytest.fixture
def url(postgres_server: str) -> str:
    """Provide any database's address: no table is touched here."""
    return postgres_server


@pytest.fixture
def announcer(url: str) -> Iterator[psycopg.Connection]:
    made = psycopg.connect(url, autocommit=True)
    yield made
    made.close()


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[TcpProxy]:
    async with TcpProxy.before(url) as made:
        yield made


class Following:
    """A follower that runs for the length of a block."""

    def __init__(self, url: str, reader: Reader, *, poll_s: float = NEVER_S) -> None:
        self._follow = follow(
            url, name=NAME, channel=CHANNEL, refresh=reader.refresh, poll_s=poll_s
        )

    async def __aenter__(self) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._follow)
        return self._task

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_reads_at_once_and_at_each_announcement(
    url: str, announcer: psycopg.Connection
) -> None:
    reader = Reader()
    async with Following(url, reader):
        await eventually(lambda: reader.reads == 1)
        for expected in (2, 3, 4):
            announcer.execute(f"NOTIFY {CHANNEL}, 'more'".encode())
            await eventually(partial(reader.has_read, expected))


async def test_announcement_during_a_read_is_not_lost(
    url: str, announcer: psycopg.Connection
) -> None:
    reader, busy = Reader(), asyncio.Event()
    async with Following(url, reader):
        await eventually(lambda: reader.reads == 1)
        reader.delays.append(busy)
        announcer.execute(f"NOTIFY {CHANNEL}".encode())
        await eventually(lambda: not reader.delays)
        announcer.execute(f"NOTIFY {CHANNEL}".encode())
        busy.set()
        await eventually(lambda: reader.reads == 3)


async def test_other_channels_are_none_of_its_business(
    url: str, announcer: psycopg.Connection
) -> None:
    reader = Reader()
    async with Following(url, reader):
        await eventually(lambda: reader.reads == 1)
        announcer.execute(b"NOTIFY other_news")
        announcer.execute(f"NOTIFY {CHANNEL}".encode())
        await eventually(lambda: reader.reads == 2)
        assert reader.reads == 2


async def test_lost_announcements_are_made_up_for_by_polling(url: str) -> None:
    reader = Reader()
    async with Following(url, reader, poll_s=0.01):
        await eventually(lambda: reader.reads >= 3)


async def test_reads_again_as_soon_as_it_is_connected_again(
    url: str, proxy: TcpProxy, announcer: psycopg.Connection
) -> None:
    reader = Reader()
    async with Following(proxy.url(url), reader):
        await eventually(lambda: reader.reads == 1)
        proxy.refuse()
        proxy.drop()
        await eventually(lambda: proxy.connections == 0)
        # Announced to nobody: only a read after the reconnection can know it.
        announcer.execute(f"NOTIFY {CHANNEL}".encode())
        assert reader.reads == 1
        proxy.accept()
        await eventually(lambda: reader.reads == 2)

        announcer.execute(f"NOTIFY {CHANNEL}".encode())
        await eventually(lambda: reader.reads == 3)


async def test_failed_read_is_logged_and_tried_again(
    url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "FAILED_PAUSE_S", 0.01)
    reader = Reader()
    reader.failures = 2
    async with Following(url, reader) as task:
        await eventually(lambda: reader.reads == 1)
        assert not task.done()

    assert caplog.text.count("follower_failed") == 2
    assert "nobody thought of this" in caplog.text


async def test_connecting_goes_on_until_it_works(
    url: str, proxy: TcpProxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.refuse()
    connecting = asyncio.create_task(connect(proxy.url(url), name="patient"))
    await eventually(lambda: "database_unreachable" in caplog.text)
    proxy.accept()
    connection = await connecting
    cursor = await connection.execute("SELECT current_setting('application_name')")
    assert await cursor.fetchone() == ("patient",)
    await connection.close()

    # Said once, however many tries it took.
    assert caplog.text.count("database_unreachable") == 1


async def test_connection_commits_each_statement_and_prepares_it(url: str) -> None:
    connection = await connect(url, name="direct")
    assert connection.autocommit
    for number in (1, 2**40):
        cursor = await connection.execute("SELECT %s::bigint", [number])
        assert await cursor.fetchone() == (number,)
    cursor = await connection.execute(
        "SELECT count(*) FROM pg_prepared_statements"
        " WHERE statement = 'SELECT $1::bigint'"
    )
    assert await cursor.fetchone() == (1,)
    await connection.close()


async def test_options_reach_the_session(url: str) -> None:
    connection = await connect(url, name="options", options="-c work_mem=123kB")
    cursor = await connection.execute("SHOW work_mem")
    assert await cursor.fetchone() == ("123kB",)
    await connection.close()
