"""A database that failed over and lost what it had confirmed is told again, once."""

import asyncio
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
import pytest

from kit.contracts import EventKind, EventStatus
from metering.intake.journal_file import HEAD_BYTES
from metering.intake.meter import IntakeMeter
from metering.intake.slots import COMMITTED, COMMITTED_AT, SLOT_BYTES
from tests.databases import Database
from tests.eventually import eventually
from tests.metering.intake.metered import OUTCOME, Witness, admit, meter, started
from tests.metering.intake.test_recovery import HALF, MORE, dead, killed, reaped

_FORGET = """
SET session_replication_role = replica;
DELETE FROM usage_correction WHERE request_id = ANY(%(ids)s);
DELETE FROM usage_event WHERE request_id = ANY(%(ids)s);
"""
_BACK = """
UPDATE usage_epoch
SET last_seq = last_seq - %(events)s, settled = settled - %(requests)s
WHERE id = %(epoch_id)s
"""
_GONE = "DELETE FROM usage_epoch WHERE id = %(epoch_id)s"
ROWS = pytest.mark.parametrize("is_row_lost", [False, True])


def fail_over(
    database: Database, witness: Witness, *, events: int, is_row_lost: bool = False
) -> list[UUID]:
    """Bring an older state back: without the last events, or the epoch's row either."""
    lost = witness.events()[-events:]
    ids = [row["request_id"] for row in lost]
    assert len({row["epoch_id"] for row in lost}) == 1
    values = {
        "ids": ids,
        "epoch_id": lost[0]["epoch_id"],
        "events": len(lost),
        "requests": sum(row["kind"] == EventKind.REQUEST for row in lost),
    }
    address = urlsplit(database.server)._replace(path=f"/{database.name}")
    with psycopg.connect(urlunsplit(address)) as connection:
        cursor = psycopg.ClientCursor(connection)
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(_FORGET, values)
        cursor.execute(_GONE if is_row_lost else _BACK, values)
    return ids


def require_once(witness: Witness, made: IntakeMeter, *, requests: int) -> None:
    """Fail unless each request has one event, and every epoch balances."""
    originals = [row["request_id"] for row in witness.events() if not row["corrects"]]
    assert len(set(originals)) == len(originals) == requests
    witness.require_whole()
    for epoch in witness.epochs():
        assert epoch["state"] == "closed"
        assert epoch["admitted"] == epoch["settled"] + epoch["voided"]
    assert made.committer.stats.conflicts == made.committer.stats.refused == 0


@ROWS
async def test_an_idle_process_tells_again_what_was_lost(
    url: str, witness: Witness, database: Database, is_row_lost: bool
) -> None:
    """Nothing is committed: it notices by its heartbeat."""
    async with started(meter(url)) as made:
        for _ in range(5):
            await made.settle(admit(made), OUTCOME)
        before = witness.ids()
        lost = fail_over(database, witness, events=3, is_row_lost=is_row_lost)
        await eventually(lambda: len(witness.ids()) == 5)
        await eventually(lambda: not made.committer.waiting)
        assert sorted(witness.ids()) == sorted(before)
        assert made.committer.stats.replayed == len(lost) == 3
        await made.settle(admit(made), OUTCOME)
    if not is_row_lost:
        require_once(witness, made, requests=6)
    assert len(set(witness.ids())) == len(witness.ids()) == 6


@ROWS
async def test_a_busy_process_tells_again_what_was_lost(
    url: str, witness: Witness, database: Database, is_row_lost: bool
) -> None:
    """Its next batch finds out; what runs goes on, and a void stays void."""
    async with started(meter(url)) as made:
        running, void = admit(made), admit(made)
        made.trace(running).offered(HALF, replica_id=4, first_token_us=5)
        made.trace(running).written()
        for _ in range(4):
            await made.settle(admit(made), OUTCOME)
        kept = 0 if is_row_lost else 1
        fail_over(database, witness, events=4 - kept, is_row_lost=is_row_lost)
        made.void(void)
        await made.settle(admit(made), OUTCOME)
        await eventually(lambda: not made.committer.waiting)
        await made.settle(running, replace(OUTCOME, counts=MORE))
    assert made.committer.stats.replayed == 4 - kept
    require_once(witness, made, requests=6)


async def test_a_body_on_its_way_is_billed_again(
    url: str, witness: Witness, database: Database
) -> None:
    """Its event was committed, and is lost before its slot is released."""
    async with started(meter(url)) as made:
        due, begun, back = (admit(made) for _ in range(3))
        for one in (due, begun, back):
            await made.settle(one, OUTCOME, is_due=True)
        made.begin_body(begun)
        await made.undelivered(back, OUTCOME, prompt_too=True)
        fail_over(database, witness, events=4)
        await eventually(lambda: made.committer.stats.replayed == 4)
        await eventually(lambda: not made.committer.waiting)
        made.body_taken(begun)
        made.begin_body(due)
        made.body_taken(due)
    require_once(witness, made, requests=3)
    net = dict.fromkeys((due.request_id, begun.request_id, back.request_id), 0)
    for row in witness.events():
        net[row["corrects"] or row["request_id"]] += row["output_tokens"]
    output = OUTCOME.counts.output_tokens
    assert net == {due.request_id: output, begun.request_id: output, back.request_id: 0}


async def test_what_was_settled_for_it_is_forgotten_with_the_rest(
    url: str, witness: Witness, database: Database
) -> None:
    """The reaper's events are lost, too: the process settles as if they never were."""
    async with started(meter(url)) as made:
        running = admit(made)
        made.trace(running).offered(HALF, replica_id=4, first_token_us=5)
        made.trace(running).written()
        await eventually(lambda: bool(witness.rows("SELECT FROM usage_checkpoint")))
        await asyncio.to_thread(reaped, database)
        await eventually(lambda: running.request_id in made._standing)
        await eventually(lambda: len(witness.epochs()) == 2)
        await made.settle(admit(made), OUTCOME)
        # Both go: what the reaper settled, and what came after.
        for _ in range(2):
            fail_over(database, witness, events=1)
        await eventually(lambda: not made._standing)
        await eventually(lambda: made.committer.stats.replayed == 1)
        await made.settle(running, replace(OUTCOME, counts=MORE))
    found = {row["request_id"]: row for row in witness.events()}
    assert len(found) == len(witness.events()) == 2
    assert found[running.request_id]["output_tokens"] == MORE.output_tokens
    assert found[running.request_id]["kind"] == EventKind.REQUEST


@ROWS
async def test_a_dead_process_journal_tells_again_what_was_lost(
    url: str, witness: Witness, database: Database, is_row_lost: bool
) -> None:
    made = meter(url)
    await made.start()
    first, *others = [admit(made) for _ in range(5)]
    back, running = admit(made), admit(made)
    for one in (first, *others):
        await made.settle(one, OUTCOME)
    if is_row_lost:
        # What stands shows that the database is the one: from an epoch before.
        made.committer.reopen_epoch()
        await eventually(lambda: len(witness.epochs()) == 2)
    await made.settle(back, OUTCOME, is_due=True)
    await made.undelivered(back, OUTCOME, prompt_too=True)
    made.trace(running).offered(MORE, replica_id=4, first_token_us=5)
    path = await killed(made)
    if is_row_lost:
        # However old that is.
        data = bytearray(path.read_bytes())
        for number in range(5):
            at = HEAD_BYTES + number * SLOT_BYTES + COMMITTED_AT
            COMMITTED.pack_into(data, at, 1)
        path.write_bytes(data)
    before = witness.ids()
    fail_over(database, witness, events=2, is_row_lost=is_row_lost)

    await dead(path, url).look()

    assert sorted(witness.ids()) == sorted([*before, running.request_id])
    assert not path.exists()
    require_once(witness, made, requests=7)


async def test_a_journal_is_told_once_more_after_it_was_recovered_and_lost(
    url: str, witness: Witness, database: Database
) -> None:
    """The failover comes between the recovery and the removal of the file."""
    made = meter(url)
    await made.start()
    await made.settle(admit(made), OUTCOME)
    running = admit(made)
    made.trace(running).offered(HALF, replica_id=4, first_token_us=5)
    path = await killed(made)
    copy = path.read_bytes()
    await dead(path, url).look()
    fail_over(database, witness, events=1)
    path.write_bytes(copy)

    await dead(path, url).look()

    require_once(witness, made, requests=2)
    row = next(r for r in witness.events() if r["request_id"] == running.request_id)
    assert (row["output_tokens"], row["status"]) == (7, EventStatus.DRAINED)


async def test_one_journal_that_cannot_be_settled_keeps_no_other(
    url: str, witness: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    paths = []
    for number in range(2):
        made = meter(url, gateway=f"gateway-{number}")
        await made.start()
        running = admit(made)
        made.trace(running).offered(HALF, replica_id=4, first_token_us=5)
        paths.append(await killed(made))
    broken, whole = paths
    data = bytearray(broken.read_bytes())
    data[4096 + 208] = 99
    broken.write_bytes(data)
    together = whole.parent / f"0{broken.name}"
    broken.rename(together)

    await dead(whole, url).look()

    assert witness.ids() == [running.request_id]
    assert (together.exists(), whole.exists()) == (True, False)
    assert caplog.text.count("recovery_failed") == 1
