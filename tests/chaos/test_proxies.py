"""The proxies break a line as they are told, and know a batch of events by sight.

What a client says to PostgreSQL is what psycopg says: the real one, to a real server.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.proxies import BATCH, Cut, Edge, Frontend, PostgresEdge
from tests.eventually import eventually
from tests.standins.tcp_proxy import LOOPBACK

# A comment is enough: the edge looks at the text of what is prepared.
_BATCH = b"/* %b */ INSERT INTO numbers VALUES (%%s)" % BATCH


class Server:
    """Sends back what it gets, and keeps its connections."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.left = 0

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Echo until the client leaves."""
        self.writers.append(writer)
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except OSError:
            pass
        finally:
            self.left += 1
            writer.transport.abort()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def edge(server: Server) -> AsyncIterator[Edge]:
    listening = await asyncio.start_server(server.serve, LOOPBACK, 0)
    async with Edge(LOOPBACK, listening.sockets[0].getsockname()[1]) as made:
        yield made
    listening.close()


async def echoed(edge: Edge, said: bytes) -> float:
    """Say something on a new connection; return how long it took to come back."""
    reader, writer = await asyncio.open_connection(LOOPBACK, edge.listens_at)
    loop = asyncio.get_running_loop()
    began = loop.time()
    writer.write(said)
    assert await reader.readexactly(len(said)) == said
    writer.transport.abort()
    return loop.time() - began


async def test_a_slow_line_takes_its_time_both_ways_until_it_is_healed(
    edge: Edge,
) -> None:
    edge.delay_s = 0.05
    assert await echoed(edge, b"x") >= 0.1
    edge.heal()
    assert await echoed(edge, b"x") < 0.1


async def test_a_narrow_line_takes_longer_for_more(edge: Edge) -> None:
    edge.bytes_per_s = 10_000
    assert await echoed(edge, b"x" * 500) >= 0.1


async def test_a_lost_server_is_not_told_to_the_client(
    edge: Edge, server: Server
) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, edge.listens_at)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    edge.lose_servers()
    await eventually(lambda: server.left == 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.05)
    writer.transport.abort()


@pytest.fixture
async def postgres(postgres_server: str) -> AsyncIterator[PostgresEdge]:
    async with PostgresEdge.before(postgres_server) as made:
        made.dice = random.Random(1)
        yield made


async def connected(edge: PostgresEdge, url: str) -> psycopg.AsyncConnection:
    user = urlsplit(url).username
    return await psycopg.AsyncConnection.connect(
        edge.url(url), user=user, autocommit=True, prepare_threshold=0
    )


async def test_it_counts_the_batches_and_nothing_else(
    postgres: PostgresEdge, postgres_server: str
) -> None:
    async with await connected(postgres, postgres_server) as connection:
        await connection.execute("CREATE TEMPORARY TABLE numbers (number integer)")
        for number in range(3):
            await connection.execute(_BATCH, [number])
            await connection.execute("SELECT count(*) FROM numbers")
    assert postgres.batches == 3
    assert postgres.cuts == 0


@pytest.mark.parametrize("how", list(Cut))
async def test_a_batch_that_was_cut_from_its_answer_was_passed_on(
    postgres: PostgresEdge, postgres_server: str, how: Cut
) -> None:
    class Dice(random.Random):
        def choice(self, seq: object) -> Cut:  # type: ignore[override]
            return how

    postgres.dice = Dice()
    table = f"numbers_{how.name.lower()}"
    statement = _BATCH.replace(b"numbers", table.encode())
    async with await psycopg.AsyncConnection.connect(
        postgres_server, autocommit=True
    ) as witness:
        await witness.execute(f"DROP TABLE IF EXISTS {table}")
        await witness.execute(f"CREATE TABLE {table} (number integer)")
        async with await connected(postgres, postgres_server) as connection:
            await connection.execute("SELECT 1")
            postgres.cut_commits(1)
            with pytest.raises(psycopg.OperationalError):
                await connection.execute(statement, [1])
        assert postgres.commit_cuts[how] == 1
        assert postgres.cuts_left == 0
        rows = await (await witness.execute(f"SELECT number FROM {table}")).fetchall()
        await witness.execute(f"DROP TABLE {table}")
    if how is Cut.ANSWERED:
        assert rows == [(1,)]


def message(kind: bytes, said: bytes) -> bytes:
    return kind + (len(said) + 4).to_bytes(4, "big") + said


_STARTUP = (12).to_bytes(4, "big") + (196_608).to_bytes(4, "big") + b"a\0b\0"
_TLS = (8).to_bytes(4, "big") + (80_877_103).to_bytes(4, "big")
_SAID = (
    _TLS
    + _STARTUP
    + message(b"P", b"s1\0" + BATCH + b"\0\0\0")
    + message(b"S", b"")
    + message(b"B", b"\0s1\0rest")
    + message(b"E", b"\0\0\0\0\0")
    + message(b"S", b"")
    + message(b"P", b"s2\0SELECT 1\0\0\0")
    + message(b"B", b"\0s2\0rest")
    + message(b"S", b"")
    + message(b"B", b"\0s1\0rest")
    + message(b"S", b"")
)


@given(st.lists(st.integers(0, len(_SAID)), max_size=20))
def test_batches_are_found_however_the_bytes_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(_SAID)]
    frontend = Frontend()
    parts = [_SAID[start:end] for start, end in itertools.pairwise(places)]
    assert sum(map(frontend.feed, parts)) == 2
