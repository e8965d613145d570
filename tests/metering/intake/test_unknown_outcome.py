"""A batch whose answer never came takes effect exactly once, under the same numbers."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from metering.intake.committer import Committer
from tests.databases import Database
from tests.eventually import eventually
from tests.metering.intake.metered import (
    GATEWAY,
    Witness,
    committer,
    event,
    held,
    running,
)
from tests.standins.tcp_proxy import Direction, TcpProxy

COMMIT_NAME = f"{GATEWAY} commit"
LOCK_EPOCHS = "SELECT FROM usage_epoch FOR UPDATE"


@pytest.fixture
async def made(url: str, proxy: TcpProxy) -> AsyncIterator[Committer]:
    """Provide a committer that runs behind the proxy."""
    async with running(committer(proxy.url(url))) as it:
        yield it


def kill(url: str, pids: list[int]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for pid in pids:
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])


async def test_answer_lost_after_the_commit(
    made: Committer, proxy: TcpProxy, witness: Witness
) -> None:
    """What is stored but was never confirmed is recognised, not stored again."""
    await made.add(event())
    proxy.cut_after(0, Direction.TO_CLIENT)
    proxy.refuse()
    commits = [made.add(event()) for _ in range(5)]
    await eventually(lambda: len(witness.ids()) == 6)
    assert not any(commit.done() for commit in commits)

    proxy.accept()
    await asyncio.gather(*commits)

    assert len(witness.ids()) == 6
    assert len(witness.epochs()) == 1
    assert (made.stats.commits, made.stats.conflicts) == (2, 0)
    witness.require_whole()


async def test_request_lost_before_the_commit(
    made: Committer, proxy: TcpProxy, witness: Witness
) -> None:
    proxy.cut_after(0, Direction.TO_SERVER)
    proxy.refuse()
    commit = made.add(event())
    await eventually(lambda: made.stats.retries)
    assert witness.ids() == []

    proxy.accept()
    await commit

    assert len(witness.ids()) == len(witness.epochs()) == 1
    witness.require_whole()


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("is_fresh", [True, False])
async def test_cut_at_any_byte_takes_effect_once(
    made: Committer,
    proxy: TcpProxy,
    witness: Witness,
    direction: Direction,
    is_fresh: bool,
) -> None:
    """Sweep the cut over an exchange: a kept connection's, or one from its greeting."""

    async def exchange(cut_after: int | None = None) -> int:
        if is_fresh:
            proxy.drop()
        before = proxy.passed[direction]
        if cut_after is not None:
            proxy.cut_after(cut_after, direction)
        await asyncio.gather(*(made.add(event()) for _ in range(3)))
        return proxy.passed[direction] - before

    await exchange()
    bytes_of_one = await exchange()
    points = sorted({*range(0, bytes_of_one, bytes_of_one // 9), bytes_of_one - 1})
    for left in points:
        await exchange(cut_after=left)
        if not is_fresh:
            await exchange()  # prepares the statement on the new connection

    assert proxy.cuts == len(points)
    assert len(witness.ids()) == len(set(witness.ids())) == made.stats.events
    (epoch,) = witness.epochs()
    assert epoch["settled"] == epoch["last_seq"] == made.stats.events
    assert made.stats.conflicts == 0
    witness.require_whole()


async def test_backend_terminated_during_the_commit(
    made: Committer, url: str, witness: Witness, database: Database
) -> None:
    with held(database, LOCK_EPOCHS):
        commits = [made.add(event()) for _ in range(5)]
        await eventually(lambda: witness.is_blocked(COMMIT_NAME))
        kill(url, witness.backends(COMMIT_NAME))
        await eventually(lambda: made.stats.retries == 1)
    await asyncio.gather(*commits)

    assert len(witness.ids()) == 5
    assert len(witness.epochs()) == 1
    witness.require_whole()


async def test_idle_connection_terminated(
    made: Committer, url: str, witness: Witness
) -> None:
    for _ in range(3):
        await made.add(event())
        kill(url, witness.backends(COMMIT_NAME))
        await eventually(lambda: not witness.backends(COMMIT_NAME))
    await made.add(event())

    assert len(witness.ids()) == 4
    witness.require_whole()


async def test_old_backend_is_gone_before_the_batch_is_sent_again(
    made: Committer, proxy: TcpProxy, witness: Witness, database: Database
) -> None:
    """The lost connection's backend still waits for its turn: it must not get it."""
    with held(database, LOCK_EPOCHS):
        commit = made.add(event())
        await eventually(lambda: witness.is_blocked(COMMIT_NAME))
        (old,) = witness.backends(COMMIT_NAME)
        proxy.lose_clients()
        await eventually(lambda: old not in witness.backends(COMMIT_NAME))
        assert not commit.done()
    await commit

    assert len(witness.ids()) == 1
    witness.require_whole()


async def test_stored_batch_is_recognised_after_its_epoch_was_closed(
    made: Committer, proxy: TcpProxy, witness: Witness
) -> None:
    """Nobody else numbers an epoch, so its last number tells even when it is closed."""
    await made.add(event())
    proxy.cut_after(0, Direction.TO_CLIENT)
    proxy.refuse()
    commit = made.add(event())
    await eventually(lambda: len(witness.ids()) == 2)
    witness.rows("UPDATE usage_epoch SET state = 'closed' RETURNING id")

    proxy.accept()
    await commit
    assert (len(witness.epochs()), made.stats.conflicts) == (1, 0)

    await made.add(event())
    assert [row["last_seq"] for row in witness.epochs()] == [2, 1]
    witness.require_whole()


async def test_unsent_batch_moves_to_the_next_epoch(
    made: Committer, proxy: TcpProxy, witness: Witness
) -> None:
    proxy.cut_after(0, Direction.TO_SERVER)
    proxy.refuse()
    commit = made.add(event())
    await eventually(lambda: made.stats.retries)
    witness.rows("UPDATE usage_epoch SET state = 'closed' RETURNING id")

    proxy.accept()
    await commit

    assert [row["last_seq"] for row in witness.epochs()] == [0, 1]
    witness.require_whole()


async def test_database_that_went_back_gets_a_new_epoch(
    made: Committer, witness: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    """A failover that lost confirmed numbers never gets a second meaning for them."""
    await asyncio.gather(*(made.add(event()) for _ in range(3)))
    witness.rows("UPDATE usage_epoch SET last_seq = 1 RETURNING id")

    await made.add(event())

    first, second = witness.epochs()
    assert (first["state"], second["last_seq"]) == ("closed", 1)
    assert "epoch_went_back" in caplog.text


async def test_epoch_is_opened_in_spite_of_lost_answers(
    url: str, proxy: TcpProxy, witness: Witness
) -> None:
    """An epoch that opened unheard is fenced off by the next try."""
    runs = 0
    # From within the greeting of a new connection to its first answers.
    for left in range(0, 900, 60):
        proxy.cut_after(left, Direction.TO_CLIENT)
        async with running(committer(proxy.url(url))) as made:
            await made.add(event())
        runs += 1

    assert len(witness.ids()) == runs
    assert len(witness.epochs()) > runs
    assert [row["state"] for row in witness.epochs()][:-1].count("open") == 0
    witness.require_whole()
