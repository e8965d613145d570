"""What the tests of the meter share: requests, a running committer, a witness.

The witness is a connection of its own, as the operator role: it sees what is committed
and nothing else.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from kit.clock import boot_us
from kit.contracts import (
    Admission,
    Caller,
    CountedBy,
    EventStatus,
    LinearPrice,
    Outcome,
    Surface,
    TokenCounts,
)
from kit.handling import Handling, Keyed
from kit.ids import uuid7
from kit.latency import Latency
from metering.intake.broker import LeaseBroker
from metering.intake.committer import Committer
from metering.intake.epoch import Epoch, EpochCounts
from metering.intake.events import UsageEvent, request_event
from metering.intake.journal import Journal
from metering.intake.journal_file import JournalFile
from metering.intake.liveness import Liveness
from metering.intake.meter import IntakeMeter
from metering.intake.prices import PriceList
from tests.databases import Database
from tests.journals import journal_folder

GATEWAY = "gateway-under-test"
CALLER = Caller(tenant_id=1, project_id=2, api_key_id=3, currency="USD")
PRICE = LinearPrice(4, "demo-model", "USD", 3_000_000, 300_000, 15_000_000)
COUNTS = TokenCounts(input_tokens=100, cached_input_tokens=20, output_tokens=50)
OUTCOME = Outcome(
    status=EventStatus.OK,
    counts=COUNTS,
    generated_tokens=50,
    counted_by=CountedBy.ENGINE,
    replica_id=5,
    first_token_us=1_000,
    duration_us=2_000,
    latency=Latency(queue_us=0, last_token_us=1_900, chunks=49, gap_max_us=700),
    handling=Handling(2, 140, 64, Keyed.FIRST),
)

_milliseconds = itertools.count(time.time_ns() // 1_000_000)


def admission(*, tenant_id: int = CALLER.tenant_id) -> Admission:
    """Admit a request by hand, a millisecond after the one before."""
    unix_ms = next(_milliseconds)
    return Admission(
        request_id=uuid7(unix_ms),
        admitted_at_us=unix_ms * 1000,
        caller=replace(CALLER, tenant_id=tenant_id),
        price=PRICE,
        surface=Surface.CHAT_COMPLETIONS,
        streamed=True,
    )


def event(
    *, tenant_id: int = CALLER.tenant_id, counts: TokenCounts = COUNTS
) -> UsageEvent:
    """Make the event of one request."""
    outcome = replace(OUTCOME, counts=counts, generated_tokens=counts.output_tokens)
    return request_event(admission(tenant_id=tenant_id), outcome)


def committer(
    url: str, *, gap_ms: int = 0, away_after_ms: int = 60_000, gateway: str = GATEWAY
) -> Committer:
    """Make a committer alone: without a heartbeat, and with nothing to carry over."""
    liveness = Liveness(away_after_ms=away_after_ms)
    liveness.answered("a first question")
    epoch = Epoch(url=url, gateway=gateway)
    return Committer(
        epoch=epoch,
        liveness=liveness,
        leases=LeaseBroker(
            url=url,
            name=gateway,
            now_us=boot_us,
            epoch_id=lambda: epoch.id,
            is_gone=lambda: liveness.is_gone,
        ),
        gap_ms=gap_ms,
        journal=journal(gateway),
        counts=lambda: EpochCounts(0, 0, None),
        leave=lambda: EpochCounts(0, 0, None),
        enter=lambda: None,
        stands=lambda _: None,
    )


def journal(gateway: str = GATEWAY, *, slots: int = 1024) -> Journal:
    """Make a journal in a folder of its own."""
    folder = journal_folder()
    return Journal(JournalFile.create(folder, gateway=gateway, slots=slots))


@contextlib.asynccontextmanager
async def running(made: Committer) -> AsyncIterator[Committer]:
    """Open an epoch and commit until the end of the block; what is left stays there."""
    await made.open_epoch()
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await made.epoch.drop_connection()


def meter(
    url: str, *, gap_ms: int = 0, away_after_ms: int = 60_000, gateway: str = GATEWAY
) -> IntakeMeter:
    """Make a meter that charges every model the same."""
    made = IntakeMeter(
        url=url,
        gateway=gateway,
        journal=journal(gateway),
        liveness=Liveness(away_after_ms=away_after_ms),
        gap_ms=gap_ms,
    )
    made.prices = EveryModelCosts(PRICE)
    return made


class EveryModelCosts(PriceList):
    """A price list for tests whose subject is not the price."""

    def __init__(self, price: LinearPrice) -> None:
        super().__init__()
        self._price = price

    def find(
        self, *, tenant_id: int, currency: str, model: str, at_us: int
    ) -> LinearPrice | None:
        """Return the one price."""
        return self._price


@contextlib.asynccontextmanager
async def started(made: IntakeMeter) -> AsyncIterator[IntakeMeter]:
    """Start the meter, and stop it at the end of the block."""
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def admit(made: IntakeMeter, *, model: str = PRICE.model) -> Admission:
    """Admit a request of the one caller."""
    return made.admit(
        CALLER, model=model, surface=Surface.CHAT_COMPLETIONS, streamed=True
    )


@dataclass(slots=True)
class Witness:
    """Looks at what is committed, from outside."""

    database: Database
    _connection: psycopg.Connection[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self._connection = psycopg.connect(
            self.database.url_for("operator"), autocommit=True, row_factory=dict_row
        )

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def rows(self, statement: str, **values: object) -> list[dict[str, Any]]:
        """Run a statement and return its rows."""
        return self._connection.execute(statement, values).fetchall()

    def events(self) -> list[dict[str, Any]]:
        """Return all events by epoch and number."""
        return self.rows("SELECT * FROM usage_event ORDER BY epoch_id, seq")

    def ids(self) -> list[UUID]:
        """Return the ids of all events, as often as they are there."""
        return [row["request_id"] for row in self.events()]

    def epochs(self) -> list[dict[str, Any]]:
        """Return all epochs in the order in which they were opened."""
        return self.rows("SELECT * FROM usage_epoch ORDER BY id")

    def backends(self, name: str) -> list[int]:
        """Return the processes behind the connections of this name."""
        return [
            row["pid"]
            for row in self.rows(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = %(name)s",
                name=name,
            )
        ]

    def is_blocked(self, name: str) -> bool:
        """Tell whether a connection of this name waits for a lock."""
        return any(
            self.rows("SELECT pg_blocking_pids(%(pid)s) AS by", pid=pid)[0]["by"]
            for pid in self.backends(name)
        )

    def require_whole(self) -> None:
        """Fail unless every epoch's numbers run from one to its last without a gap."""
        for epoch in self.epochs():
            numbers = [
                row["seq"] for row in self.events() if row["epoch_id"] == epoch["id"]
            ]
            assert numbers == list(range(1, epoch["last_seq"] + 1))


@contextlib.contextmanager
def held(database: Database, statement: str) -> Any:
    """Hold what the statement locks, in a transaction that changes nothing."""
    with psycopg.connect(database.url_for("owner")) as connection:
        connection.execute(statement)
        yield connection
        connection.rollback()
