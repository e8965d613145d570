"""What a killed process owes is settled once: from its journal, or its checkpoint."""

import asyncio
import datetime as dt
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from kit.contracts import EventKind, EventStatus, TokenCounts
from kit.orm.roles import as_operator
from metering.intake.dead_journals import DeadJournals
from metering.intake.journal_file import JournalFile
from metering.intake.meter import IntakeMeter
from metering.usage.epochs import SILENCE_MAX, database_now
from metering.usage.services import close_silent_epochs
from tests.databases import Database, pointed_at
from tests.eventually import eventually
from tests.metering.intake.metered import OUTCOME, Witness, admit, meter, started

HALF = TokenCounts(input_tokens=10, output_tokens=7)
MORE = TokenCounts(input_tokens=10, output_tokens=8)


async def killed(made: IntakeMeter) -> Path:
    """Stop a meter as a kill does: nothing is said to anybody, the lock is free."""
    for task in made._tasks:
        task.cancel()
    await asyncio.gather(*made._tasks, return_exceptions=True)
    await made.committer.epoch.drop_connection()
    await made._stop_heart()
    await made.leases.close()
    path = made.journal.file.path
    made.journal.file.close()
    return path


def dead(path: Path, url: str) -> DeadJournals:
    return DeadJournals(folder=path.parent, url=url, name="next", own=Path("none"))


async def test_killed_process_owes_what_it_offered_and_what_it_had_settled(
    url: str, witness: Witness
) -> None:
    made = meter(url)
    await made.start()
    committed, queued, running, unstarted, void = (admit(made) for _ in range(5))
    await made.settle(committed, OUTCOME)
    made.void(void)
    for counts in (HALF, MORE):
        made.trace(running).offered(counts, replica_id=4, first_token_us=5)
    for task in made._tasks:
        task.cancel()
    made.settle(queued, OUTCOME)
    path = await killed(made)

    await dead(path, url).look()

    events = {row["request_id"]: row for row in witness.events()}
    assert set(events) == {
        one.request_id for one in (committed, queued, running, unstarted)
    }
    assert events[running.request_id]["output_tokens"] == MORE.output_tokens
    assert events[running.request_id]["status"] == EventStatus.DRAINED
    assert events[queued.request_id]["status"] == OUTCOME.status
    assert events[unstarted.request_id]["charge_picos"] == 0
    (epoch,) = witness.epochs()
    assert (epoch["admitted"], epoch["settled"], epoch["voided"]) == (5, 4, 1)
    assert epoch["state"] == "closed"
    assert not path.exists()
    witness.require_whole()


async def test_recovering_twice_posts_once(url: str, witness: Witness) -> None:
    """Whoever dies between the commit and the removal of the file does no harm."""
    made = meter(url)
    await made.start()
    running = admit(made)
    made.trace(running).offered(HALF, replica_id=4, first_token_us=5)
    path = await killed(made)
    copy = path.read_bytes()
    await dead(path, url).look()
    path.write_bytes(copy)

    await dead(path, url).look()

    assert witness.ids() == [running.request_id]
    assert not path.exists()
    witness.require_whole()


async def test_living_process_is_left_alone(url: str, witness: Witness) -> None:
    async with started(meter(url)) as made:
        running = admit(made)
        await dead(made.journal.file.path, url).look()
        assert not witness.ids()
        await made.settle(running, OUTCOME)
    assert len(witness.epochs()) == 1


async def test_next_process_recovers_before_it_opens_its_epoch(
    url: str, witness: Witness
) -> None:
    made = meter(url)
    await made.start()
    running = admit(made)
    made.trace(running).offered(HALF, replica_id=4, first_token_us=5)
    path = await killed(made)
    following = meter(url)
    following.dead_journals = replace(following.dead_journals, folder=path.parent)
    async with started(following):
        first, second = witness.epochs()
        assert (first["state"], first["settled"]) == ("closed", 1)
        assert second["state"] == "open"
    assert witness.ids() == [running.request_id]
    witness.require_whole()


@pytest.mark.parametrize("closed", [False, True])
async def test_answer_that_never_began_is_not_billed(
    url: str, witness: Witness, closed: bool
) -> None:
    """A body that waited for its commit, or came after it, and was not sent."""
    made = meter(url)
    await made.start()
    due, begun = admit(made), admit(made)
    await asyncio.gather(
        made.settle(due, OUTCOME, is_due=True), made.settle(begun, OUTCOME, is_due=True)
    )
    made.begin_body(begun)
    if closed:
        await made.committer.close(made._counts())
    path = await killed(made)

    await dead(path, url).look()

    net = {due.request_id: 0, begun.request_id: 0}
    for row in witness.events():
        net[row["corrects"] or row["request_id"]] += row["charge_picos"]
    assert net[due.request_id] == 0
    assert net[begun.request_id] > 0
    corrections = [row for row in witness.events() if row["corrects"]]
    assert [row["kind"] for row in corrections] == [EventKind.UNDELIVERED]
    for epoch in witness.epochs():
        assert epoch["admitted"] == epoch["settled"] + epoch["voided"]
    witness.require_whole()


async def test_journal_of_another_database_is_left_alone(
    url: str, witness: Witness, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    made = meter(url)
    await made.start()
    admit(made)
    path = await killed(made)
    found = JournalFile.claim(path)
    assert found is not None
    head = found.head()
    found.close()
    assert head.admitted == 1
    with psycopg.connect(database.url_for("owner")) as connection:
        connection.execute(
            "UPDATE usage_epoch SET started_at = started_at + interval '1 second'"
        )

    finder = dead(path, url)
    await finder.look()
    await finder.look()

    assert path.exists()
    assert not witness.ids()
    assert caplog.text.count("journal_not_recovered") == 1


async def test_process_that_comes_back_posts_only_the_difference(
    url: str, witness: Witness, database: Database
) -> None:
    """Its epoch was closed and its requests were settled by a checkpoint meanwhile."""
    async with started(meter(url)) as made:
        more, same = admit(made), admit(made)
        for one in (more, same):
            made.trace(one).offered(HALF, replica_id=4, first_token_us=5)
            made.trace(one).written()
        await eventually(lambda: bool(witness.rows("SELECT FROM usage_checkpoint")))
        await asyncio.to_thread(reaped, database)
        await eventually(lambda: len(witness.epochs()) == 2)
        outcome = replace(OUTCOME, counts=MORE, status=EventStatus.DRAINED)
        await made.settle(more, outcome)
        await made.settle(same, replace(outcome, counts=HALF))

    originals = {
        row["request_id"]: row for row in witness.events() if not row["corrects"]
    }
    assert set(originals) == {more.request_id, same.request_id}
    (late,) = [row for row in witness.events() if row["corrects"]]
    assert late["kind"] == EventKind.LATE
    assert (late["corrects"], late["output_tokens"]) == (more.request_id, 1)
    for epoch in witness.epochs():
        assert epoch["admitted"] == epoch["settled"] + epoch["voided"]
    witness.require_whole()


def reaped(database: Database) -> None:
    """Let the reaper run as if the silence had been long enough."""
    with pointed_at(database), as_operator():
        later = database_now() + SILENCE_MAX + dt.timedelta(seconds=15)
        assert close_silent_epochs(now=later) == 1


async def test_checkpoint_takes_nothing_from_what_was_committed_after_it(
    url: str, witness: Witness, database: Database
) -> None:
    """It is up to a quarter of a second old, and a process may have settled since."""
    made = meter(url)
    await made.start()
    streamed, whole = admit(made), admit(made)
    made.trace(streamed).offered(HALF, replica_id=4, first_token_us=5)
    made.trace(streamed).written()
    await eventually(lambda: bool(witness.rows("SELECT FROM usage_checkpoint")))
    for task in made._tasks[2:]:
        task.cancel()
    await asyncio.gather(
        made.settle(streamed, replace(OUTCOME, counts=MORE)),
        made.settle(whole, OUTCOME, is_due=True),
    )
    await killed(made)
    await asyncio.to_thread(reaped, database)

    assert len(witness.events()) == 2
    assert sum(row["output_tokens"] for row in witness.events()) == (
        MORE.output_tokens + OUTCOME.counts.output_tokens
    )
    witness.require_whole()


async def test_batch_that_the_reaper_forestalled_is_not_taken_for_committed(
    url: str, witness: Witness, database: Database
) -> None:
    """The reaper goes on from the last number, and may reach that of the batch."""
    made = meter(url)
    await made.start()
    running = admit(made)
    made.trace(running).offered(HALF, replica_id=4, first_token_us=5)
    made.trace(running).written()
    await eventually(lambda: bool(witness.rows("SELECT FROM usage_checkpoint")))
    beating, made._tasks[3:] = made._tasks[3:], []
    for task in beating:
        task.cancel()
    await asyncio.to_thread(reaped, database)
    await made.settle(running, replace(OUTCOME, counts=MORE))
    await killed(made)

    (late,) = [row for row in witness.events() if row["corrects"]]
    assert (late["kind"], late["output_tokens"]) == (EventKind.LATE, 1)
    witness.require_whole()
