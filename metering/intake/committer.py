"""Self-clocking group commit: each takes all that came during the one before.

Events are numbered 1, 2, 3 ... within the epoch; a batch keeps its numbers until its
fate is known. Failure: a batch of unknown outcome is sent again unchanged; the epoch's
row makes it take effect once. What the database cannot do now is tried again for ever;
an event that it can never take is set aside, loudly, and the others go on. While it is
away nothing is dropped: events wait here, and those who wait with them are told. Owns:
the queue and the batch under way.
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
import structlog

from kit.clock import boot_us
from kit.contracts import DatabaseAwayError
from kit.histogram import Histogram
from metering.intake.broker import LeaseBroker
from metering.intake.epoch import Epoch, EpochClosedError, EpochCounts
from metering.intake.events import Pending, UsageEvent, sort_key
from metering.intake.liveness import Liveness

BATCH_EVENTS_MAX = 2000
# How long a closing epoch waits for an answer.
CLOSE_PATIENCE_S = 3.0
_BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)
_COMMIT = "commit"
# What an event's own values cause, here or in the database. Anything else is the
# database's present state, and no reason to give an event up.
_FAULT_OF_AN_EVENT = (
    psycopg.DataError,
    psycopg.IntegrityError,
    struct.error,
)

log = structlog.get_logger("tollgate.intake")


@dataclass(slots=True)
class CommitterStats:
    """Plain counters, read on scrape."""

    commits: int = 0
    events: int = 0
    conflicts: int = 0
    refused: int = 0
    retries: int = 0
    # From when an event was queued to when its commit was known of.
    waits: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class Committer:
    """Commits usage events of one process, in numbered batches.

    `leave` says what the epoch ends with when the next one is opened, `enter` is called
    as soon as that one is.
    """

    epoch: Epoch
    liveness: Liveness
    leases: LeaseBroker
    gap_ms: int
    leave: Callable[[], EpochCounts]
    enter: Callable[[], None]
    stats: CommitterStats = field(default_factory=CommitterStats)
    _queue: list[Pending] = field(default_factory=list)
    _batch: list[Pending] = field(default_factory=list)
    _wakeup: asyncio.Event = field(default_factory=asyncio.Event)
    _all_committed: asyncio.Event = field(default_factory=asyncio.Event)
    _reopen: bool = False
    _failures: int = 0

    @property
    def waiting(self) -> int:
        """Return how many events are not committed yet."""
        return len(self._queue) + len(self._batch)

    @property
    def unsettled(self) -> int:
        """Return how many requests have ended whose event is not committed yet."""
        return sum(item.event.settles for item in (*self._batch, *self._queue))

    @property
    def oldest_us(self) -> int | None:
        """Return when the oldest request that waits for its commit was admitted."""
        return min(
            (
                item.event.admission.admitted_at_us
                for item in (*self._batch, *self._queue)
            ),
            default=None,
        )

    def add(
        self, event: UsageEvent, uses: dict[int, int] | None = None
    ) -> asyncio.Future[None]:
        """Queue an event and what it uses of leases; done once it is committed."""
        future = asyncio.get_running_loop().create_future()
        pending = Pending(event, future, boot_us(), uses or {})
        self._queue.append(pending)
        self._all_committed.clear()
        self._wakeup.set()
        if self.liveness.is_away:
            _fail(pending, DatabaseAwayError())
        return pending.committed

    def give_up_waiting(self) -> None:
        """Tell all who wait that it takes too long; their events stay queued."""
        for pending in (*self._batch, *self._queue):
            _fail(pending, DatabaseAwayError())

    def forget_uses(self) -> None:
        """Leave out what leases of an epoch before were used for: they are gone."""
        for pending in (*self._batch, *self._queue):
            pending.uses = {}

    def reopen_epoch(self) -> None:
        """Open a new epoch before the next commit: this one was closed from outside."""
        self._reopen = True
        self._wakeup.set()

    async def open_epoch(self) -> None:
        """Take the next epoch of this gateway and fence off the ones before."""
        while True:
            try:
                await self.epoch.open(left=self.leave())
            except psycopg.errors.UniqueViolation:
                continue  # Another process took the number; the next one is free.
            except Exception as error:
                await self._pause_after(error)
            else:
                break
        self._reopen = False
        self._failures = 0
        self.enter()
        log.info("epoch_opened", epoch_id=self.epoch.id)

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
            else:
                self._all_committed.set()

    async def flush(self, *, patience_s: float) -> None:
        """Wait until nothing waits for its commit, or until patience ends."""
        if not self.waiting:
            return
        self._wakeup.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_committed.wait(), patience_s)

    async def close(self, counts: EpochCounts) -> None:
        """Close the epoch: all that was admitted is settled or voided."""
        try:
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                try:
                    await self.epoch.close(counts)
                except psycopg.OperationalError:
                    # The connection was idle and may have died unnoticed.
                    await self.epoch.drop_connection()
                    await self.epoch.close(counts)
        except (TimeoutError, psycopg.Error) as error:
            log.warning("epoch_not_closed", reason=type(error).__name__)
        await self.epoch.drop_connection()

    async def _commit_queue(self) -> None:
        if self._reopen:
            await self.open_epoch()
        self._batch, self._queue = (
            self._queue[:BATCH_EVENTS_MAX],
            self._queue[BATCH_EVENTS_MAX:],
        )
        self._batch.sort(key=sort_key)
        while self._batch:
            self.liveness.asked(_COMMIT)
            try:
                await self._try_batch()
            except Exception as error:
                await self._pause_after(error)
            else:
                self._failures = 0
                self.liveness.answered(_COMMIT)

    async def _try_batch(self) -> None:
        """Commit the batch, or make of its refusal a smaller one to try."""
        try:
            await self.epoch.commit(self._batch, spent=self._spent())
        except EpochClosedError:
            await self.open_epoch()
        except psycopg.errors.UniqueViolation as error:
            known = await self.epoch.known(self._batch)
            if known:
                self._drop(known)
            else:
                self._isolate(error)
        except _FAULT_OF_AN_EVENT as error:
            self._isolate(error)
        else:
            self._settle_batch()

    def _settle_batch(self) -> None:
        self.stats.commits += 1
        self.stats.events += len(self._batch)
        done, self._batch = self._batch, []
        now_us = boot_us()
        for pending in done:
            self.stats.waits.observe(now_us - pending.queued_at_us)
            if pending.uses:
                self.leases.book.settled(pending.uses)
            _succeed(pending)

    def _spent(self) -> str:
        """Sum up what the batch uses of leases."""
        uses: dict[int, int] = {}
        for pending in self._batch:
            for window_id, amount in pending.uses.items():
                uses[window_id] = uses.get(window_id, 0) + amount
        return self.leases.spent(uses) if uses else ""

    def _isolate(self, error: Exception) -> None:
        """Halve a batch that is refused, down to the one event at fault."""
        if len(self._batch) > 1:
            half = len(self._batch) // 2
            self._queue = self._batch[half:] + self._queue
            self._batch = self._batch[:half]
            return
        pending = self._batch.pop()
        self.leases.book.not_settled(pending.uses)
        self.stats.refused += 1
        log.critical(
            "event_refused",
            request_id=str(pending.event.request_id),
            tenant_id=pending.event.admission.caller.tenant_id,
            reason=type(error).__name__,
        )
        _fail(pending, error)

    def _drop(self, known: Collection[UUID]) -> None:
        """Take events out of the batch that the table has already, and say so."""
        kept: list[Pending] = []
        for pending in self._batch:
            if pending.event.request_id not in known:
                kept.append(pending)
                continue
            self.stats.conflicts += 1
            self.leases.book.settled(pending.uses)
            log.error("event_already_stored", request_id=str(pending.event.request_id))
            _succeed(pending)
        self._batch = kept

    async def _pause_after(self, error: Exception) -> None:
        """Leave a database that cannot do it now alone for a moment, then go on."""
        self.stats.retries += 1
        if isinstance(error, psycopg.OperationalError):
            log.warning("commit_connection_lost", reason=type(error).__name__)
        else:
            log.error("commit_failed", exc_info=error)
        await self.epoch.drop_connection()
        await asyncio.sleep(_BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)])
        self._failures += 1


def _succeed(pending: Pending) -> None:
    if not pending.committed.done():
        pending.committed.set_result(None)


def _fail(pending: Pending, error: Exception) -> None:
    if not pending.committed.done():
        pending.committed.set_exception(error)
        # Not everyone who queued an event waits for it.
        pending.committed.exception()
