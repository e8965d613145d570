"""Epochs: their counts balance whoever closes them, and say what is complete."""

import asyncio
import datetime as dt

import psycopg
import pytest

from metering.intake.meter import IntakeMeter
from tests.databases import Database
from tests.eventually import eventually
from tests.metering.intake.metered import (
    GATEWAY,
    OUTCOME,
    Witness,
    admit,
    committer,
    held,
    meter,
    started,
)
from tests.standins.tcp_proxy import Direction, TcpProxy

COMMIT_NAME = f"{GATEWAY} commit"


def instant(unix_us: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=unix_us)


def close_from_outside(database: Database) -> None:
    with psycopg.connect(database.url_for("operator"), autocommit=True) as connection:
        connection.execute(
            "UPDATE usage_epoch SET state = 'closed', closed_at = clock_timestamp()"
        )


def require_balance(witness: Witness) -> None:
    """Fail unless every epoch's admissions ended in it, each with one event or none."""
    for epoch in witness.epochs():
        assert epoch["state"] == "closed"
        assert epoch["admitted"] == epoch["settled"] + epoch["voided"]
        assert epoch["open_since"] is None
    witness.require_whole()


async def test_stop_leaves_a_closed_epoch_that_balances(
    url: str, witness: Witness
) -> None:
    async with started(meter(url)) as made:
        admissions = [admit(made) for _ in range(9)]
        for admission in admissions[:5]:
            made.settle(admission, OUTCOME)
        for admission in admissions[5:]:
            made.void(admission)
        assert made.open_requests == 0

    (epoch,) = witness.epochs()
    assert (epoch["admitted"], epoch["settled"], epoch["voided"]) == (9, 5, 4)
    require_balance(witness)


async def test_stop_closes_the_epoch_over_a_new_connection(
    url: str, proxy: TcpProxy, witness: Witness
) -> None:
    """The commit connection may have died unnoticed while nothing was committed."""
    async with started(meter(proxy.url(url))) as made:
        await made.settle(admit(made), OUTCOME)
        proxy.drop()

    require_balance(witness)


async def test_heartbeat_brings_the_counts_while_requests_run(
    url: str, witness: Witness
) -> None:
    async with started(meter(url)) as made:
        first, second, third = admit(made), admit(made), admit(made)
        await eventually(lambda: witness.epochs()[0]["admitted"] == 3)
        assert witness.epochs()[0]["open_since"] == instant(first.admitted_at_us)

        made.void(first)
        await made.settle(second, OUTCOME)
        await eventually(
            lambda: witness.epochs()[0]["open_since"] == instant(third.admitted_at_us)
        )
        assert witness.epochs()[0]["voided"] == 1
        await made.settle(third, OUTCOME)

    require_balance(witness)


async def test_epoch_closed_from_outside_is_followed_by_another(
    url: str, witness: Witness, database: Database
) -> None:
    async with started(meter(url)) as made:
        before = [admit(made) for _ in range(6)]
        await made.settle(before[0], OUTCOME)
        made.void(before[1])
        close_from_outside(database)
        await eventually(lambda: len(witness.epochs()) == 2)
        await eventually(lambda: witness.epochs()[1]["admitted"] == 4)
        assert witness.epochs()[1]["open_since"] == instant(before[2].admitted_at_us)

        made.void(before[2])
        for admission in (*before[3:], admit(made)):
            made.settle(admission, OUTCOME)

    assert [row["settled"] for row in witness.epochs()] == [1, 4]
    assert [row["voided"] for row in witness.epochs()] == [1, 1]
    require_balance(witness)


async def test_events_that_wait_go_on_in_the_new_epoch(
    url: str, witness: Witness, database: Database
) -> None:
    """Neither a waiting event nor a correction upsets the new epoch's counts."""
    async with started(meter(url)) as made:
        with held(database, "LOCK TABLE usage_event IN SHARE MODE"):
            first, second, third = admit(made), admit(made), admit(made)
            commits = [made.settle(first, OUTCOME)]
            await eventually(lambda: witness.is_blocked(COMMIT_NAME))
            commits.append(made.settle(second, OUTCOME))
            commits.append(made.undelivered(first, OUTCOME, prompt_too=False))
            close_from_outside(database)
        await asyncio.gather(*commits)
        made.settle(third, OUTCOME)

    assert len(witness.ids()) == 4
    require_balance(witness)


async def test_event_that_waits_for_its_commit_counts_as_open(
    url: str, witness: Witness, database: Database
) -> None:
    """Else a report would call itself complete without it."""
    async with started(meter(url)) as made:
        with held(database, "LOCK TABLE usage_event IN SHARE MODE"):
            waiting = admit(made)
            at = instant(waiting.admitted_at_us)
            made.settle(waiting, OUTCOME)
            await eventually(lambda: witness.epochs()[0]["open_since"] == at)
        await made.committer.flush(patience_s=10)
        await eventually(lambda: witness.epochs()[0]["open_since"] > at)


async def test_idle_epoch_is_complete_up_to_what_it_may_admit_next(
    url: str, witness: Witness
) -> None:
    """A commit moves `heartbeat_at` on, but what it says stays true of `open_since`."""
    async with started(meter(url)) as made:
        # From the first heartbeat on, which knows no clock yet.
        complete_to = witness.epochs()[0]["open_since"]
        running = admit(made)
        await made.settle(admit(made), OUTCOME)
        assert complete_to <= instant(running.admitted_at_us)

        made.void(running)
        await eventually(lambda: witness.epochs()[0]["open_since"] > complete_to)
        assert witness.epochs()[0]["open_since"] <= instant(admit_and_void(made))


def admit_and_void(made: IntakeMeter) -> int:
    admission = admit(made)
    made.void(admission)
    return admission.admitted_at_us


async def test_epochs_opened_at_once_are_numbered_and_one_stays(
    url: str, witness: Witness
) -> None:
    racing = [committer(url) for _ in range(8)]
    await asyncio.gather(*(made.open_epoch() for made in racing))
    for made in racing:
        await made.epoch.drop_connection()

    assert [row["epoch"] for row in witness.epochs()] == list(range(1, 9))
    assert [row["state"] for row in witness.epochs()] == ["closed"] * 7 + ["open"]


async def test_two_meters_of_one_name_lose_and_double_nothing(
    url: str, witness: Witness
) -> None:
    """Each fences the other, again and again; every request is billed once."""
    async with started(meter(url)) as one, started(meter(url)) as other:
        for _ in range(20):
            pair = [(made, admit(made)) for made in (one, other)]
            await asyncio.gather(*(made.settle(asked, OUTCOME) for made, asked in pair))

    assert len(witness.ids()) == len(set(witness.ids())) == 40
    assert len(witness.epochs()) > 2
    assert sum(row["settled"] for row in witness.epochs()) == 40
    require_balance(witness)


async def test_meters_of_other_names_do_not_meet(url: str, witness: Witness) -> None:
    async with started(meter(url, gateway="a")) as a, started(meter(url)) as b:
        await asyncio.gather(
            *(made.settle(admit(made), OUTCOME) for made in (a, b) for _ in range(5))
        )

    assert [row["settled"] for row in witness.epochs()] == [5, 5]
    require_balance(witness)


async def test_stop_without_start_does_nothing(url: str, witness: Witness) -> None:
    await meter(url).stop()

    assert witness.epochs() == []


@pytest.mark.parametrize("times", [1, 3])
async def test_each_run_is_an_epoch_of_its_own(
    url: str, witness: Witness, times: int
) -> None:
    for _ in range(times):
        async with started(meter(url)) as made:
            made.settle(admit(made), OUTCOME)

    assert [row["epoch"] for row in witness.epochs()] == list(range(1, times + 1))
    require_balance(witness)


async def stop_beating(made: IntakeMeter) -> None:
    heart = next(task for task in made._tasks if task.get_name() == "heartbeat")
    heart.cancel()
    await asyncio.gather(heart, return_exceptions=True)


async def test_checkpoint_that_got_lost_is_told_again(
    url: str, witness: Witness, proxy: TcpProxy
) -> None:
    """Else what has ended meanwhile would stand there as running."""
    slots = "SELECT length(slots) AS bytes FROM usage_checkpoint"
    async with started(meter(proxy.url(url))) as made:
        running = admit(made)
        await eventually(lambda: [r["bytes"] for r in witness.rows(slots)] == [256])
        await stop_beating(made)
        made.void(running)
        proxy.drop()
        with pytest.raises(psycopg.OperationalError):
            await made._beat()
        await made._stop_heart()

        await made._beat()

        assert [row["bytes"] for row in witness.rows(slots)] == [0]


async def test_checkpoint_whose_answer_got_lost_is_taken_back(
    url: str, witness: Witness, proxy: TcpProxy
) -> None:
    """It stands there, though this process was never told."""
    slots = "SELECT length(slots) AS bytes FROM usage_checkpoint"
    async with started(meter(proxy.url(url))) as made:
        await stop_beating(made)
        await made._stop_heart()
        # What is sent below has been prepared: the first answer cut is the beat's own.
        earlier = admit(made)
        await made._beat()
        made.void(earlier)
        await made._beat()
        running = admit(made)
        proxy.cut_after(0, Direction.TO_CLIENT)
        with pytest.raises(psycopg.OperationalError):
            await made._beat()
        await made._stop_heart()
        await eventually(lambda: [r["bytes"] for r in witness.rows(slots)] == [256])
        made.void(running)

        await made._beat()

        assert [row["bytes"] for row in witness.rows(slots)] == [0]
