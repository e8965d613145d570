"""What the database refuses: the one event at fault is set aside, the others go on.

Set aside is only what an event's own values cause. A database that cannot take any
event now is waited for, whatever its reason.
"""

import asyncio
import errno
import struct
from collections.abc import Sequence
from dataclasses import replace

import psycopg
import pytest

from kit.contracts import DatabaseAwayError, TokenCounts
from metering.intake import liveness as liveness_module
from metering.intake.committer import Committer
from metering.intake.epoch import EpochCounts
from metering.intake.events import Pending, UsageEvent
from tests.databases import Database
from tests.eventually import eventually
from tests.metering.intake.metered import (
    OUTCOME,
    Witness,
    admit,
    committer,
    event,
    meter,
    running,
    started,
)

FAR_FUTURE_US = 10**18
POISON = {
    "more tokens than an integer holds": replace(
        event(), counts=TokenCounts(output_tokens=2**31)
    ),
    "a charge beyond a bigint": replace(event(), charge_picos=2**63),
    "negative tokens": replace(event(), counts=TokenCounts(input_tokens=-1)),
    "more reasoning than output": replace(
        event(), counts=TokenCounts(output_tokens=1, reasoning_tokens=2)
    ),
    "a negative charge": replace(event(), charge_picos=-1),
    "no duration": replace(
        event(),
        outcome=replace(OUTCOME, duration_us=None),  # type: ignore[arg-type]
    ),
}


async def test_event_that_is_stored_already_is_dropped_and_counted(
    url: str, witness: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    twice = event()
    async with running(committer(url)) as made:
        await made.add(twice)
        others = [made.add(event()) for _ in range(10)]
        again = made.add(twice)
        await asyncio.gather(again, *others)

    assert made.stats.conflicts == 1
    assert str(twice.request_id) in caplog.text
    assert witness.ids().count(twice.request_id) == 1
    assert len(witness.ids()) == witness.epochs()[0]["settled"] == 11
    witness.require_whole()


async def test_event_twice_in_one_batch_is_stored_once(
    url: str, witness: Witness
) -> None:
    twice = event()
    made = committer(url)
    waiting = [made.add(event()) for _ in range(5)]
    waiting += [made.add(twice), made.add(twice)]
    async with running(made):
        await asyncio.gather(*waiting)

    assert (made.stats.conflicts, made.stats.refused) == (1, 0)
    assert len(witness.ids()) == len(set(witness.ids())) == 6
    witness.require_whole()


async def test_dropped_event_leaves_the_database_here(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that shrank to nothing was answered all the same."""
    twice = event()
    async with running(committer(url, away_after_ms=1)) as made:
        await made.add(twice)
        await made.add(twice)
        await made.flush(patience_s=10)
        with monkeypatch.context() as later:
            later.setattr(liveness_module, "boot_us", lambda: FAR_FUTURE_US)
            made.liveness.check()
        assert not made.liveness.is_away


@pytest.mark.parametrize("what", POISON)
@pytest.mark.parametrize("position", [0, 20])
async def test_poison_is_set_aside_and_the_others_are_committed(
    url: str,
    witness: Witness,
    caplog: pytest.LogCaptureFixture,
    what: str,
    position: int,
) -> None:
    poison = POISON[what]
    good = [event(tenant_id=tenant) for tenant in range(2, 22)]
    made = committer(url)
    # Batches go by tenant: the poison comes first or last.
    poison = _of_tenant(poison, 1 if position == 0 else 99)
    refused = made.add(poison)
    waiting = [made.add(one) for one in good]
    async with running(made):
        await asyncio.gather(*waiting)
        with pytest.raises((psycopg.Error, struct.error)):
            await asyncio.wait_for(refused, 10)
        await made.add(event())

    assert (made.stats.refused, made.stats.conflicts) == (1, 0)
    assert "event_refused" in caplog.text
    assert str(poison.request_id) in caplog.text
    assert set(witness.ids()) >= {one.request_id for one in good}
    assert len(witness.ids()) == 21
    witness.require_whole()


def _of_tenant(one: UsageEvent, tenant_id: int) -> UsageEvent:
    caller = replace(one.admission.caller, tenant_id=tenant_id)
    return replace(one, admission=replace(one.admission, caller=caller))


async def test_missing_right_is_waited_for(
    url: str, witness: Witness, database: Database
) -> None:
    """A fault of the database's state is no reason to give an event up."""
    async with running(committer(url)) as made:
        await made.add(event())
        with psycopg.connect(database.url_for("owner"), autocommit=True) as owner:
            (columns,) = owner.execute(
                "SELECT string_agg(column_name, ', ')"
                " FROM information_schema.role_column_grants"
                " WHERE table_name = 'usage_event' AND privilege_type = 'INSERT'"
                " AND grantee = 'tollgate_gateway'"
            ).fetchone() or ("",)
            right = f"INSERT ({columns}) ON usage_event"
            owner.execute(f"REVOKE {right} FROM tollgate_gateway".encode())
            commit = made.add(event())
            await eventually(lambda: made.stats.retries >= 2)
            owner.execute(f"GRANT {right} TO tollgate_gateway".encode())
        await commit

    assert made.stats.refused == 0
    assert len(witness.ids()) == 2
    witness.require_whole()


async def test_unexpected_error_is_logged_and_the_committer_goes_on(
    url: str,
    witness: Witness,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(committer(url)) as made:
        real, failures = made.epoch.commit, 3

        async def commit(
            batch: Sequence[Pending], *, spent: str, counts: EpochCounts
        ) -> None:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                raise RuntimeError("nobody thought of this")
            await real(batch, spent=spent, counts=counts)

        monkeypatch.setattr(made.epoch, "commit", commit)
        await asyncio.gather(*(made.add(event()) for _ in range(5)))

    assert "nobody thought of this" in caplog.text
    assert (made.stats.retries, made.stats.refused) == (3, 0)
    assert len(witness.ids()) == 5
    witness.require_whole()


async def test_epoch_that_cannot_be_opened_is_tried_again(
    url: str, witness: Witness, caplog: pytest.LogCaptureFixture, database: Database
) -> None:
    """A gateway may be up before the database is migrated."""
    with psycopg.connect(database.url_for("owner"), autocommit=True) as owner:
        owner.execute("ALTER TABLE usage_epoch RENAME TO not_yet")
        made = meter(url)
        starting = asyncio.create_task(made.start())
        await eventually(lambda: made.committer.stats.retries)
        assert not starting.done()
        owner.execute("ALTER TABLE not_yet RENAME TO usage_epoch")
    await starting
    await made.settle(admit(made), OUTCOME)
    await made.stop()

    assert "UndefinedTable" in caplog.text
    assert len(witness.ids()) == 1


async def test_heartbeat_survives_what_nobody_expects(
    url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(meter(url)) as made:
        real, failures = made.clock.set, 2

        def set_clock(database_us: int, *, sent_us: int, received_us: int) -> None:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                raise RuntimeError("nobody thought of this")
            real(database_us, sent_us=sent_us, received_us=received_us)

        monkeypatch.setattr(made.clock, "set", set_clock)
        await eventually(lambda: failures < 0)
        assert not made.liveness.is_away

    assert caplog.text.count("heartbeat_failed") == 2


@pytest.mark.parametrize("disk_fails", [False, True])
async def test_events_of_an_away_database_are_let_go_by_the_journal(
    url: str, witness: Witness, monkeypatch: pytest.MonkeyPatch, disk_fails: bool
) -> None:
    """Who settles while it is away is not left to wait for a transition."""
    made: Committer = committer(url)
    synced: list[bool] = []

    def sync() -> None:
        synced.append(True)
        if disk_fails:
            raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(made.journal.file, "sync", sync)
    made.liveness.is_away = True
    task = asyncio.create_task(made.let_go())
    told = made.add(event())
    if disk_fails:
        with pytest.raises(DatabaseAwayError):
            await asyncio.wait_for(told, 10)
    else:
        await asyncio.wait_for(told, 10)
    assert synced
    task.cancel()
    async with running(made):
        await made.flush(patience_s=10)

    assert len(witness.ids()) == 1


async def test_refused_answer_keeps_no_slot(url: str) -> None:
    """Usage is complete up to the oldest slot: it would never be again."""
    more_reasoning = TokenCounts(output_tokens=1, reasoning_tokens=2)
    async with started(meter(url)) as made:
        refused = admit(made)
        with pytest.raises(psycopg.IntegrityError):
            await made.settle(
                refused, replace(OUTCOME, counts=more_reasoning), is_due=True
            )
        assert not made.journal.entries
        # An answer that was let go meanwhile is on its way.
        made.begin_body(refused)
        made.body_taken(refused)
        path = made.journal.file.path
    assert not path.exists()
