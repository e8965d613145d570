"""Self-clocking group commit: each takes all that came during the one before.

Events are numbered 1, 2, 3 ... within the epoch; a batch keeps its numbers until its
fate is known. Failure: a batch of unknown outcome is sent again unchanged; the epoch's
row makes it take effect once. What the database cannot do now is tried again for ever;
an event that it can never take is set aside, loudly, and the others go on. While it is
away nothing is dropped and nobody is kept: once the journal is on the disk, who waits
is let go, and the events stay queued. Owns: the queue and the batch under way.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import psycopg
import structlog

from kit.clock import boot_us
from kit.contracts import DatabaseAwayError, EventKind
from kit.histogram import Histogram
from metering.intake.broker import LeaseBroker
from metering.intake.epoch import Epoch, EpochClosedError, EpochCounts
from metering.intake.events import Pending, UsageEvent, sort_key
from metering.intake.journal import Entry, Journal
from metering.intake.liveness import Liveness
from metering.intake.owed import Stands, lost_by, still_owed
from metering.intake.recovery import kept
from metering.intake.statements import FAULT_OF_AN_EVENT

BATCH_EVENTS_MAX = 2000
# How long a closing epoch waits for an answer.
CLOSE_PATIENCE_S = 3.0
_BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)
_COMMIT = "commit"
log = structlog.get_logger("tollgate.intake")


@dataclass(slots=True)
class CommitterStats:
    """Plain counters, read on scrape."""

    commits: int = 0
    events: int = 0
    conflicts: int = 0
    refused: int = 0
    retries: int = 0
    # Inserted again after the database had lost them.
    replayed: int = 0
    # Let go once the journal was on the disk.
    synced: int = 0
    # From when an event was queued to when its commit was known of.
    waits: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class Committer:
    """Commits usage events of one process, in numbered batches.

    `counts` says how the present epoch stands, `leave` what it ends with when the next
    one is opened; `enter` is called as soon as that one is. `stands` is told what the
    database has of requests that are not settled here, before they are left.
    """

    epoch: Epoch
    journal: Journal
    liveness: Liveness
    leases: LeaseBroker
    gap_ms: int
    counts: Callable[[], EpochCounts]
    leave: Callable[[], EpochCounts]
    enter: Callable[[], None]
    stands: Callable[[Mapping[UUID, Stands]], None]
    stats: CommitterStats = field(default_factory=CommitterStats)
    _queue: list[Pending] = field(default_factory=list)
    _batch: list[Pending] = field(default_factory=list)
    _wakeup: asyncio.Event = field(default_factory=asyncio.Event)
    _all_committed: asyncio.Event = field(default_factory=asyncio.Event)
    _kept_waiting: asyncio.Event = field(default_factory=asyncio.Event)
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

    def add(
        self,
        event: UsageEvent,
        uses: dict[int, int] | None = None,
        *,
        entry: Entry | None = None,
    ) -> asyncio.Future[None]:
        """Queue an event and what it uses of leases; done once it is durable."""
        future = asyncio.get_running_loop().create_future()
        pending = Pending(event, future, boot_us(), uses or {}, entry)
        self._queue.append(pending)
        self._all_committed.clear()
        self._wakeup.set()
        if self.liveness.is_away:
            self._kept_waiting.set()
        return pending.committed

    def keep_nobody_waiting(self) -> None:
        """Let the journal's disk do for who waits: the database is away."""
        self._kept_waiting.set()

    async def let_go(self) -> None:
        """Sync the journal for those who wait while the database is away, for ever."""
        while True:
            await self._kept_waiting.wait()
            self._kept_waiting.clear()
            waiting = [
                pending
                for pending in (*self._batch, *self._queue)
                if not pending.committed.done()
            ]
            if not waiting or not self.liveness.is_away:
                continue
            try:
                await asyncio.to_thread(self.journal.file.sync)
            except OSError:
                log.critical("journal_not_synced", exc_info=True)
                for pending in waiting:
                    _fail(pending, DatabaseAwayError())
            else:
                self.stats.synced += len(waiting)
                for pending in waiting:
                    _succeed(pending)

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
                if self.epoch.id:
                    await self._compare()
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

    async def close(self, counts: EpochCounts) -> bool:
        """Close the epoch: all that was admitted is settled or voided.

        Return whether the database says so, and has all of it.
        """
        has_all = False
        try:
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                try:
                    has_all = await self.epoch.close(counts)
                except psycopg.OperationalError:
                    # The connection was idle and may have died unnoticed.
                    await self.epoch.drop_connection()
                    has_all = await self.epoch.close(counts)
        except (TimeoutError, psycopg.Error) as error:
            log.warning("epoch_not_closed", reason=type(error).__name__)
        await self.epoch.drop_connection()
        return has_all

    async def _commit_queue(self) -> None:
        if self._reopen:
            await self.open_epoch()
        self._batch, self._queue = (
            self._queue[:BATCH_EVENTS_MAX],
            self._queue[BATCH_EVENTS_MAX:],
        )
        self._batch.sort(key=lambda pending: sort_key(pending.event))
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
            await self.epoch.commit(
                self._batch, spent=self._spent(), counts=self.counts()
            )
        except EpochClosedError:
            await self.open_epoch()
        except psycopg.errors.UniqueViolation as error:
            standing = await self._standing()
            changed = [
                str(item.event.request_id)
                for item in self._batch
                # A second giving back is refused: nothing of ours gives back twice.
                if item.event.kind is not EventKind.UNDELIVERED
                and still_owed(item.event, standing) is not item.event
            ]
            if changed:
                self.stats.conflicts += len(changed)
                log.critical("event_already_stored", request_ids=changed)
                self._batch = self._left_of(self._batch, standing)
            else:
                self._isolate(error)
        except FAULT_OF_AN_EVENT as error:
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
            self._is_settled(pending)

    def _is_settled(self, pending: Pending) -> None:
        if pending.uses:
            self.leases.book.settled(pending.uses)
        if pending.entry is not None:
            pending.entry.committed()
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
        if pending.entry is not None:
            pending.entry.refused()
        _fail(pending, error)

    async def _standing(self) -> dict[UUID, Stands]:
        """Ask what the table has of the requests in the batch."""
        return await self.epoch.standing(_keys(self._batch))

    async def _compare(self) -> None:
        """See what the database has, before what is not settled goes on elsewhere.

        Whoever closed the epoch may have settled running requests by a checkpoint. And
        a database that failed over may lack what it had confirmed: that is still in the
        journal.
        """
        await self.epoch.look_back()
        running = [entry.key for entry in self.journal.entries.values()]
        queued = _keys([*self._batch, *self._queue])
        standing = await self.epoch.standing([*{*running, *queued}])
        self.stands(standing)
        self._batch = self._left_of(self._batch, standing)
        self._queue = self._left_of(self._queue, standing)
        if self.epoch.may_lack:
            await self._replay()

    async def _replay(self) -> None:
        """Queue again what the journal has as committed and the database has not."""
        # Tens of thousands of slots: not on the event loop.
        slots = kept(await asyncio.to_thread(self.journal.file.read))
        standing = await self.epoch.standing([slot.key for slot in slots])
        queued = [item.event for item in (*self._batch, *self._queue)]
        lost = lost_by(slots, standing, queued)
        # First: what waits may give back some of it.
        waiting, self._batch, self._queue = [*self._batch, *self._queue], [], []
        for event in lost:
            self.add(event)
        self._queue += waiting
        if lost:
            self.stats.replayed += len(lost)
            log.error("events_replayed", count=len(lost))

    def _left_of(
        self, waiting: list[Pending], standing: Mapping[UUID, Stands]
    ) -> list[Pending]:
        """Make of events whose requests are settled already what is missing of them."""
        left: list[Pending] = []
        for pending in waiting:
            event = still_owed(pending.event, standing)
            if event is not None:
                left.append(replace(pending, event=event))
            else:
                self._is_settled(pending)
        return left

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


def _keys(waiting: Sequence[Pending]) -> list[tuple[int, UUID]]:
    """Return the keys of these events, and of the requests that they correct."""
    keys: set[tuple[int, UUID]] = set()
    for item in waiting:
        admission = item.event.admission
        tenant_id = admission.caller.tenant_id
        keys |= {(tenant_id, item.event.request_id), (tenant_id, admission.request_id)}
    return [*keys]
