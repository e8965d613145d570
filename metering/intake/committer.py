"""Self-clocking group commit: each takes all that came during the one before.

Events are numbered 1, 2, 3 ... within the epoch; a batch keeps its numbers until its
fate is known. Failure: a batch of unknown outcome is sent again unchanged after its old
backend was terminated; the fence makes it take effect once. While the database is away
nothing is dropped: events wait here, and those who wait with them are told. Owns: the
queue, the epoch's numbers, the commit connection.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
import structlog
from psycopg import AsyncConnection

from kit.clock import boot_us
from kit.contracts import DatabaseAwayError
from kit.postgres import connect
from metering.intake import statements
from metering.intake.events import Pending, UsageEvent, parameters, sort_key
from metering.intake.liveness import Liveness

BATCH_EVENTS_MAX = 2000
_COMMIT = "commit"

log = structlog.get_logger("tollgate.intake")


class EpochClosedError(Exception):
    """Somebody closed this process's epoch; a new one must be opened."""


@dataclass(slots=True)
class CommitterStats:
    """Plain counters, read on scrape."""

    commits: int = 0
    events: int = 0
    conflicts: int = 0
    refused: int = 0
    retries: int = 0


@dataclass(slots=True)
class Committer:
    """Commits usage events of one process, in numbered batches, on one connection."""

    url: str
    gateway: str
    liveness: Liveness
    gap_ms: int
    on_epoch: Callable[[], None]
    stats: CommitterStats = field(default_factory=CommitterStats)
    epoch_id: int = 0
    last_seq: int = 0
    _queue: list[Pending] = field(default_factory=list)
    _batch: list[Pending] = field(default_factory=list)
    _wakeup: asyncio.Event = field(default_factory=asyncio.Event)
    _all_committed: asyncio.Event = field(default_factory=asyncio.Event)
    _reopen: bool = False
    _connection: AsyncConnection | None = None
    _old_pid: int | None = None

    @property
    def waiting(self) -> int:
        """Return how many events are not committed yet."""
        return len(self._queue) + len(self._batch)

    def add(self, event: UsageEvent) -> asyncio.Future[None]:
        """Queue an event; the future is done once it is committed."""
        future = asyncio.get_running_loop().create_future()
        self._queue.append(Pending(event, future, boot_us()))
        self._all_committed.clear()
        self._wakeup.set()
        return future

    def give_up_waiting(self) -> None:
        """Tell all who wait that it takes too long; their events stay queued."""
        for pending in (*self._batch, *self._queue):
            if not pending.committed.done():
                pending.committed.set_exception(DatabaseAwayError())
                # Not everyone who queued an event waits for it.
                pending.committed.exception()

    def reopen_epoch(self) -> None:
        """Open a new epoch before the next commit: this one was closed from outside."""
        self._reopen = True
        self._wakeup.set()

    async def open_epoch(self) -> None:
        """Take the next epoch of this gateway and fence off the ones before."""
        self._reopen = False
        while True:
            connection = await self._connected()
            try:
                cursor = await connection.execute(
                    statements.OPEN_EPOCH, {"gateway": self.gateway}
                )
                row = await cursor.fetchone()
            except psycopg.OperationalError as error:
                await self._lost(error)
                continue
            except psycopg.errors.UniqueViolation:
                continue  # Another process took the number; the next one is free.
            if row is None:
                raise RuntimeError("the database opened no epoch")
            self.epoch_id, self.last_seq = row[0], 0
            self.on_epoch()
            log.info("epoch_opened", gateway=self.gateway, epoch_id=self.epoch_id)
            return

    async def run(self) -> None:
        """Commit for ever; cancel once `waiting` is zero."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wakeup.wait()
            self._wakeup.clear()
            started = loop.time()
            await self._commit_queue()
            # Tiny batches burn the database: leave it as much time as it just worked,
            # so that more can come; but not so much that it is felt.
            await asyncio.sleep(min(loop.time() - started, self.gap_ms / 1000))
            if self._queue:
                self._wakeup.set()
            elif not self._batch:
                self._all_committed.set()

    async def flush(self, *, patience_s: float) -> None:
        """Wait until nothing waits for its commit, or until patience ends."""
        self._wakeup.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_committed.wait(), patience_s)

    async def close(self, *, admitted: int, voided: int) -> None:
        """Close the epoch: all that was admitted is settled or voided."""
        if self._connection is not None and not self._connection.closed:
            await self._connection.execute(
                statements.CLOSE_EPOCH,
                {"epoch_id": self.epoch_id, "admitted": admitted, "voided": voided},
            )
            await self._connection.close()

    async def _commit_queue(self) -> None:
        if self._reopen:
            await self.open_epoch()
        self._batch, self._queue = (
            self._queue[:BATCH_EVENTS_MAX],
            self._queue[BATCH_EVENTS_MAX:],
        )
        self._batch.sort(key=sort_key)
        while self._batch:
            try:
                self.liveness.asked(_COMMIT)
                await self._send_batch()
                self.liveness.answered(_COMMIT)
            except psycopg.OperationalError as error:
                await self._lost(error)
                continue
            except psycopg.errors.UniqueViolation:
                await self._drop_known()
                continue
            except EpochClosedError:
                await self.open_epoch()
                continue
            except psycopg.DatabaseError as error:
                self._isolate(error)
                continue
            self._settle_batch()

    async def _send_batch(self) -> None:
        """Commit the batch, or find that an earlier try already did."""
        connection = await self._connected()
        first, last = self.last_seq + 1, self.last_seq + len(self._batch)
        values: dict[str, object] = dict(parameters(self._batch, first=first))
        values.update(
            epoch_id=self.epoch_id,
            first=first,
            last=last,
            settled=sum(item.event.settles for item in self._batch),
        )
        async with connection.cursor(binary=True) as cursor:
            await cursor.execute(statements.COMMIT_BATCH, values, prepare=True)
            row = await cursor.fetchone()
            if row is not None and row[0] == 1:
                return
            await cursor.execute(statements.EPOCH_STATE, {"epoch_id": self.epoch_id})
            epoch = await cursor.fetchone()
        if epoch is None or epoch[0] != "open":
            raise EpochClosedError
        if epoch[1] < last:
            # An older state of the database came back: a failover lost what it had
            # confirmed.
            log.error("epoch_went_back", epoch_id=self.epoch_id, last_seq=epoch[1])
            raise EpochClosedError

    def _settle_batch(self) -> None:
        self.last_seq += len(self._batch)
        self.stats.commits += 1
        self.stats.events += len(self._batch)
        done, self._batch = self._batch, []
        for pending in done:
            if not pending.committed.done():
                pending.committed.set_result(None)

    def _isolate(self, error: psycopg.DatabaseError) -> None:
        """Halve a batch that the database refuses, down to the one event at fault."""
        if len(self._batch) > 1:
            half = len(self._batch) // 2
            self._queue = self._batch[half:] + self._queue
            self._batch = self._batch[:half]
            return
        pending = self._batch.pop()
        self.stats.refused += 1
        self.liveness.answered(_COMMIT)
        log.critical(
            "event_refused",
            request_id=str(pending.event.request_id),
            tenant_id=pending.event.admission.caller.tenant_id,
            reason=type(error).__name__,
        )
        if not pending.committed.done():
            pending.committed.set_exception(error)
            pending.committed.exception()

    async def _drop_known(self) -> None:
        """Take events out of the batch that the table has already, and say so."""
        connection = await self._connected()
        cursor = await connection.execute(
            statements.KNOWN_EVENTS,
            {
                "tenant_ids": [p.event.admission.caller.tenant_id for p in self._batch],
                "request_ids": [p.event.request_id for p in self._batch],
            },
        )
        known = {row[0] for row in await cursor.fetchall()}
        kept: list[Pending] = []
        for pending in self._batch:
            if pending.event.request_id in known:
                self.stats.conflicts += 1
                log.error(
                    "event_already_stored", request_id=str(pending.event.request_id)
                )
                if not pending.committed.done():
                    pending.committed.set_result(None)
            else:
                kept.append(pending)
        if len(kept) == len(self._batch):
            # Not the event table's key: without progress this would go on for ever.
            raise RuntimeError("a batch conflicts with something that is not an event")
        self._batch = kept

    async def _connected(self) -> AsyncConnection:
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self.url, name=f"{self.gateway} commit")
            new_pid = self._connection.info.backend_pid
            if self._old_pid not in {None, new_pid}:
                # The lost backend may still be committing: wait until it is gone.
                await self._connection.execute(
                    statements.TERMINATE, {"pid": self._old_pid}
                )
            self._old_pid = new_pid
        return self._connection

    async def _lost(self, error: psycopg.Error) -> None:
        self.stats.retries += 1
        log.warning("commit_connection_lost", reason=type(error).__name__)
        if self._connection is not None:
            await self._connection.close()
        await asyncio.sleep(0.05)
