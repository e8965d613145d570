"""A database that failed over: what it had confirmed and lost is inserted again.

A standby that was not synchronous is an older state of the same database: it lacks the
last of what was committed, and nothing before that.
"""

import asyncio
from dataclasses import replace

import psycopg

from metering.intake.meter import IntakeMeter
from tests.databases import Database
from tests.eventually import eventually
from tests.metering.intake.metered import OUTCOME, Witness, admit, meter
from tests.metering.intake.test_recovery import HALF, MORE, dead, killed, reaped

_LAST_TWO = """
DELETE FROM usage_event WHERE seq > 1;
UPDATE usage_epoch SET last_seq = 1, settled = 1
"""
_ALL = """
DELETE FROM usage_event; DELETE FROM usage_checkpoint; DELETE FROM usage_epoch
"""


def lose(database: Database, statements: str) -> None:
    """Set the database back; not even its owner may otherwise delete an event."""
    with psycopg.connect(database.url_for("owner")) as connection:
        connection.execute("ALTER TABLE usage_event DISABLE TRIGGER ALL")
        connection.execute(statements)
        connection.execute("ALTER TABLE usage_event ENABLE TRIGGER ALL")


async def settled_three(url: str) -> IntakeMeter:
    made = meter(url)
    await made.start()
    for _ in range(3):
        await made.settle(admit(made), OUTCOME)
    return made


async def killed_tasks(made: IntakeMeter, *, keep: int = 0) -> None:
    """End a meter's tasks but for the first ones: its committer and its journal's."""
    ended, made._tasks[keep:] = made._tasks[keep:], []
    for task in ended:
        task.cancel()
    await asyncio.gather(*ended, return_exceptions=True)


def require_balance(witness: Witness) -> None:
    for epoch in witness.epochs():
        assert epoch["admitted"] == epoch["settled"] + epoch["voided"]
    witness.require_whole()


async def test_idle_process_finds_out_by_its_heartbeat(
    url: str, witness: Witness, database: Database
) -> None:
    made = await settled_three(url)
    lose(database, _LAST_TWO)

    await eventually(lambda: len(witness.events()) == 3)

    await made.stop()
    require_balance(witness)


async def test_epoch_that_is_lost_itself(
    url: str, witness: Witness, database: Database
) -> None:
    made = await settled_three(url)
    lose(database, _ALL)

    await eventually(lambda: len(witness.events()) == 3)

    await made.settle(admit(made), OUTCOME)
    await made.stop()
    assert len(set(witness.ids())) == 4
    require_balance(witness)


async def test_reaper_that_numbered_on_from_the_older_state_hides_nothing(
    url: str, witness: Witness, database: Database
) -> None:
    """It comes as far as the process had come, with other events."""
    made = meter(url)
    await made.start()
    running = [admit(made) for _ in range(2)]
    for one in running:
        made.trace(one).offered(HALF, replica_id=4, first_token_us=5)
        made.trace(one).written()
    noted = "SELECT FROM usage_checkpoint WHERE length(slots) = 512"
    await eventually(lambda: bool(witness.rows(noted)))
    await killed_tasks(made, keep=2)
    confirmed = [admit(made) for _ in range(2)]
    for one in confirmed:
        await made.settle(one, OUTCOME)
    lose(
        database,
        "DELETE FROM usage_event; UPDATE usage_epoch SET last_seq = 0, settled = 0",
    )
    await asyncio.to_thread(reaped, database)
    assert [epoch["last_seq"] for epoch in witness.epochs()] == [2]

    for one in running:
        await made.settle(one, replace(OUTCOME, counts=MORE))
    await made.committer.flush(patience_s=10)

    originals = {row["request_id"] for row in witness.events() if not row["corrects"]}
    assert originals == {one.request_id for one in (*running, *confirmed)}
    witness.require_whole()
    await killed(made)


async def test_process_that_stops_before_it_finds_out_leaves_its_journal(
    url: str, witness: Witness, database: Database
) -> None:
    made = await settled_three(url)
    path = made.journal.file.path
    await killed_tasks(made)
    lose(database, _LAST_TWO)

    await made.stop()

    assert path.exists()
    await dead(path, url).look()
    assert len(witness.events()) == 3
    assert not path.exists()
    require_balance(witness)


async def test_process_whose_end_nobody_confirms_leaves_its_journal(url: str) -> None:
    made = await settled_three(url)
    await killed_tasks(made)
    made.committer.epoch._url = url.replace("tollgate_gateway", "nobody")
    await made.committer.epoch.drop_connection()

    await made.stop()

    assert made.journal.file.path.exists()
