"""What a lost gateway's last checkpoint tells is settled, once, by whoever is first."""

import datetime as dt
import threading
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connections, transaction

from kit.contracts import Admission, EventStatus, TokenCounts
from kit.orm.roles import OPERATOR, as_operator
from metering.usage.epochs import SILENCE_MAX
from metering.usage.reaper import close_silent_epochs
from tests.concurrency import as_another_operator, wait_until_blocked
from tests.databases import Database
from tests.metering.intake import journalled
from tests.metering.intake.metered import Witness, admission

NOW = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
SILENT = NOW - SILENCE_MAX - dt.timedelta(seconds=1)
HAD = TokenCounts(input_tokens=10, output_tokens=7)
MORE = TokenCounts(input_tokens=10, output_tokens=8)
_EPOCH = """
INSERT INTO usage_epoch (gateway, epoch, state, last_seq, admitted, settled, voided,
    started_at, heartbeat_at, open_since)
VALUES (%(gateway)s, %(epoch)s, %(state)s, 0, %(admitted)s, 0, 0,
    %(heartbeat_at)s, %(heartbeat_at)s, %(heartbeat_at)s)
RETURNING id
"""
_NOTE = "INSERT INTO usage_checkpoint VALUES (%(epoch_id)s, %(slots)s, %(noted_at)s)"


@pytest.fixture
def witness(fresh_database: Database) -> Iterator[Witness]:
    made = Witness(fresh_database)
    with as_operator():
        yield made
    made.close()


def lost(
    database: Database,
    *requests: Admission,
    epoch: int = 1,
    state: str = "open",
    heartbeat_at: dt.datetime = SILENT,
    is_noted: bool = True,
    slots: bytes | None = None,
) -> int:
    """Leave an epoch whose gateway had these requests running."""
    with psycopg.connect(database.url_for("operator")) as connection:
        row = connection.execute(
            _EPOCH,
            {
                "gateway": "lost",
                "epoch": epoch,
                "state": state,
                "admitted": len(requests),
                "heartbeat_at": heartbeat_at,
            },
        ).fetchone()
        assert row is not None
        epoch_id: int = row[0]
    if is_noted:
        # Only gateways write checkpoints.
        with psycopg.connect(database.url_for("owner")) as connection:
            connection.execute(
                _NOTE,
                {
                    "epoch_id": epoch_id,
                    "slots": checkpoint(*requests) if slots is None else slots,
                    "noted_at": heartbeat_at,
                },
            )
    return epoch_id


def checkpoint(*requests: Admission) -> bytes:
    """Note requests of which the clients had a part, and one piece more was offered."""
    made = journalled.journal(slots=8)
    for request in requests:
        entry = made.open(request)
        entry.offered(HAD, replica_id=4, first_token_us=5)
        entry.written()
        entry.offered(MORE, replica_id=4, first_token_us=5)
    data = made.checkpoint()
    made.file.remove()
    return data


def require_settled(witness: Witness, *requests: Admission) -> None:
    """Fail unless each has one event, of what its client had, and all is closed."""
    found = {row["request_id"]: row for row in witness.events()}
    assert set(found) == {request.request_id for request in requests}
    assert len(witness.events()) == len(requests)
    for row in found.values():
        assert row["output_tokens"] == HAD.output_tokens
        assert row["status"] == EventStatus.DRAINED
    for epoch in witness.epochs():
        assert epoch["state"] == "closed"
        assert epoch["admitted"] == epoch["settled"] + epoch["voided"]
        assert epoch["open_since"] is None
    assert witness.rows("SELECT FROM usage_checkpoint") == []
    witness.require_whole()


def test_an_open_epoch_is_settled_and_closed(
    fresh_database: Database, witness: Witness
) -> None:
    requests = admission(), admission()
    lost(fresh_database, *requests)
    assert close_silent_epochs(now=NOW) == 1
    require_settled(witness, *requests)
    assert len(witness.epochs()) == 1
    # And that was it.
    assert close_silent_epochs(now=NOW) == 0
    require_settled(witness, *requests)


def test_an_epoch_that_the_next_process_of_its_name_closed_is_settled_too(
    fresh_database: Database, witness: Witness
) -> None:
    """That one, on another host, knew nothing of what was running."""
    request = admission()
    lost(fresh_database, request, state="closed")
    assert close_silent_epochs(now=NOW) == 1
    require_settled(witness, request)
    assert [row["gateway"] for row in witness.epochs()] == ["lost", "lost recovery"]
    assert close_silent_epochs(now=NOW) == 0


def test_without_a_checkpoint_it_is_only_closed(
    fresh_database: Database, witness: Witness
) -> None:
    lost(fresh_database, is_noted=False)
    assert close_silent_epochs(now=NOW) == 1
    require_settled(witness)
    lost(fresh_database, epoch=2, is_noted=False, state="closed")
    assert close_silent_epochs(now=NOW) == 0


def test_who_is_heard_of_is_left_alone(
    fresh_database: Database, witness: Witness
) -> None:
    lost(fresh_database, admission(), heartbeat_at=NOW - SILENCE_MAX)
    assert close_silent_epochs(now=NOW) == 0
    assert witness.events() == []
    assert witness.epochs()[0]["state"] == "open"


def test_while_postgresql_was_away_nobody_was_silent(
    fresh_database: Database, witness: Witness
) -> None:
    lost(fresh_database, admission(), heartbeat_at=NOW - dt.timedelta(days=9))
    [row] = witness.rows("SELECT pg_postmaster_start_time() AS at")
    assert close_silent_epochs(now=row["at"] + SILENCE_MAX) == 0
    assert witness.events() == []


def test_who_is_heard_of_while_the_reaper_waits_is_left_alone(
    fresh_database: Database, witness: Witness
) -> None:
    epoch_id = lost(fresh_database, admission())
    closed: list[int] = []

    def reap() -> None:
        closed.append(close_silent_epochs(now=NOW))

    with transaction.atomic(OPERATOR), connections[OPERATOR].cursor() as session:
        session.execute(
            "UPDATE usage_epoch SET heartbeat_at = %s WHERE id = %s", [NOW, epoch_id]
        )
        reaping = threading.Thread(target=as_another_operator, args=[reap])
        reaping.start()
        wait_until_blocked()
    reaping.join(30)
    assert closed == [0]
    assert witness.events() == []
    assert witness.epochs()[0]["state"] == "open"


def test_two_reapers_settle_it_once(fresh_database: Database, witness: Witness) -> None:
    request = admission()
    epoch_id = lost(fresh_database, request)
    closed: list[int] = []

    def reap() -> None:
        closed.append(close_silent_epochs(now=NOW))

    reapers = [
        threading.Thread(target=as_another_operator, args=[reap]) for _ in range(2)
    ]
    with transaction.atomic(OPERATOR), connections[OPERATOR].cursor() as session:
        session.execute("SELECT FROM usage_epoch WHERE id = %s FOR UPDATE", [epoch_id])
        for each in reapers:
            each.start()
        wait_until_blocked(2)
    for each in reapers:
        each.join(30)
    assert sorted(closed) == [0, 1]
    require_settled(witness, request)


def test_one_that_cannot_be_settled_keeps_no_other(
    fresh_database: Database, witness: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkpoint of a later version, and one that the database refuses."""
    later = bytearray(checkpoint(admission()))
    later[208] = 99
    lost(fresh_database, admission(), slots=bytes(later))
    refused = admission(), admission()
    refused_id = lost(fresh_database, *refused, epoch=2)
    request = admission()
    lost(fresh_database, request, epoch=3)
    with psycopg.connect(fresh_database.url_for("owner")) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN IF NEW.epoch_id = {refused_id} THEN RAISE 'no'; END IF;"
            " RETURN NEW; END $$"
        )
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON usage_event"
            " FOR EACH ROW EXECUTE FUNCTION refuse()"
        )

    assert close_silent_epochs(now=NOW) == 1

    assert witness.ids() == [request.request_id]
    assert [row["state"] for row in witness.epochs()] == ["open", "open", "closed"]
    assert caplog.text.count("silent_epoch_not_closed") == 2
    assert len(witness.rows("SELECT FROM usage_checkpoint")) == 2
