"""The meter of one gateway process: admits requests and makes usage durable.

What a request uses stands in the journal before its client can have it. Failure: while
PostgreSQL does not answer, requests go on inside their leases, and what ends is
committed when it is back; leases last two minutes, so that admission stops before they
end and running requests are ended with them. Owns: the epoch, the clock, the price
list, the journal. Called by the gateway through `kit.contracts.Meter`.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from uuid import UUID

import psycopg
import structlog
from psycopg import AsyncConnection

from kit.clock import boot_us
from kit.contracts import (
    Admission,
    Caller,
    LinearPrice,
    Outcome,
    Surface,
    Trace,
)
from kit.errors import ModelNotPriced, ServiceUnavailable
from kit.ids import uuid7
from kit.postgres import connect
from metering.intake import statements
from metering.intake.broker import LeaseBroker
from metering.intake.clock import DatabaseClock
from metering.intake.committer import Committer
from metering.intake.dead_journals import DeadJournals
from metering.intake.epoch import Epoch, EpochCounts
from metering.intake.events import late_event, request_event, undelivered_event
from metering.intake.journal import Entry, Journal, JournalFullError
from metering.intake.liveness import Liveness
from metering.intake.owed import Stands
from metering.intake.prices import PriceList

HEARTBEAT_S = 0.25
# For how long leases hold without a heartbeat, and admission relies on them.
LEASE_LIFE_US = 120_000_000
ADMITS_FOR_US = LEASE_LIFE_US * 2 // 3
# What checkpoints may write; with more requests open they are further apart.
CHECKPOINT_BYTES_PER_US = 2
# How long a stopping process waits for a database that is away.
FLUSH_PATIENCE_S = 30.0
_HEARTBEAT = "heartbeat"

log = structlog.get_logger("tollgate.intake")


class IntakeMeter:
    """Implements `kit.contracts.Meter` on PostgreSQL."""

    def __init__(
        self,
        *,
        url: str,
        gateway: str,
        journal: Journal,
        liveness: Liveness,
        gap_ms: int,
    ) -> None:
        self._url = url
        self._gateway = gateway
        self.journal = journal
        self.liveness = liveness
        self.clock = DatabaseClock()
        epoch = Epoch(url=url, gateway=gateway)
        self.leases = LeaseBroker(
            url=url,
            name=gateway,
            now_us=self.clock.now_us,
            epoch_id=lambda: epoch.id,
            is_gone=lambda: liveness.is_gone,
        )
        # What is held is a matter between requests and the leases.
        self.try_hold, self.hold = self.leases.try_hold, self.leases.hold
        self.committer = Committer(
            epoch=epoch,
            journal=journal,
            liveness=liveness,
            leases=self.leases,
            gap_ms=gap_ms,
            counts=self._counts,
            leave=self._counts_to_leave,
            enter=self._count_afresh,
            stands=self._note_standing,
        )
        self.dead_journals = DeadJournals(
            folder=journal.file.path.parent,
            url=url,
            name=gateway,
            own=journal.file.path,
        )
        self.prices = PriceList()
        self._open: dict[UUID, Entry] = {}
        # Running requests that somebody has settled by a checkpoint, and as what.
        self._standing: dict[UUID, Stands] = {}
        self._beaten_us = 0
        self._has_lapsed = False
        self._checkpoint_due_us = 0
        self._is_checkpoint_empty = True
        self._lapse_listeners: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._heart: AsyncConnection | None = None
        self._first_beat = asyncio.Event()

    @property
    def open_requests(self) -> int:
        """Return how many admissions are neither settled nor voided."""
        return len(self._open)

    def price(self, caller: Caller, model: str) -> LinearPrice | None:
        """Return the price that a request of this caller would be admitted at now."""
        return self._price(caller, model, self.clock.now_us())

    def admit(
        self, caller: Caller, *, model: str, surface: Surface, streamed: bool
    ) -> Admission:
        """Admit a request now; see `kit.contracts.Meter.admit`."""
        if not self.is_admitting:
            raise _not_now()
        now_us = self.clock.now_us()
        price = self._price(caller, model, now_us)
        if price is None:
            raise ModelNotPriced(model)
        admission = Admission(
            uuid7(now_us // 1000), now_us, caller, price, surface, streamed
        )
        try:
            self._open[admission.request_id] = self.journal.open(admission)
        except JournalFullError:
            raise _not_now() from None
        return admission

    def _price(self, caller: Caller, model: str, at_us: int) -> LinearPrice | None:
        return self.prices.find(
            tenant_id=caller.tenant_id,
            currency=caller.currency,
            model=model,
            at_us=at_us,
        )

    def trace(self, admission: Admission) -> Trace:
        """Return where a running request's progress is noted."""
        return self._open[admission.request_id]

    def void(self, admission: Admission) -> None:
        """Forget an admission that no engine accepted."""
        self._open.pop(admission.request_id).void()
        self._standing.pop(admission.request_id, None)
        self.leases.release(admission.request_id)

    def settle(
        self, admission: Admission, outcome: Outcome, *, is_due: bool = False
    ) -> asyncio.Future[None]:
        """Queue the event of a request that ended; see `kit.contracts.Meter.settle`."""
        entry = self._open.pop(admission.request_id)
        entry.ended(outcome, is_due=is_due)
        uses = self.leases.settle(admission.request_id, outcome.counts)
        event = request_event(admission, outcome)
        stands = self._standing.pop(admission.request_id, None)
        if stands is not None:
            late = late_event(admission, outcome, stands=stands.counts)
            if late is None:
                self.leases.book.settled(uses)
                entry.committed()
                return _done()
            event = late
        return self.committer.add(event, uses, entry=entry)

    def begin_body(self, admission: Admission) -> None:
        """Note that a settled answer is on its way."""
        if entry := self.journal.entries.get(admission.request_id):
            entry.begun()

    def body_taken(self, admission: Admission) -> None:
        """Note that the client's socket has begun to take a settled answer."""
        if entry := self.journal.entries.get(admission.request_id):
            entry.taken()

    def undelivered(
        self, admission: Admission, outcome: Outcome, *, prompt_too: bool
    ) -> asyncio.Future[None]:
        """Queue the correction of an answer that was settled but not handed over."""
        event = undelivered_event(admission, outcome, prompt_too=prompt_too)
        entry = self.journal.entries.get(admission.request_id)
        if entry is not None:
            entry.given_back(event.request_id, prompt_too=prompt_too)
        return self.committer.add(event, entry=entry)

    @property
    def is_admitting(self) -> bool:
        """Tell whether requests can be admitted: leases and the clock are fresh."""
        return self.clock.is_set and boot_us() - self._beaten_us < ADMITS_FOR_US

    def on_lapsed(self, listener: Callable[[], None]) -> None:
        """Call the listener when leases have ended, and running requests must."""
        self._lapse_listeners.append(listener)

    async def start(self) -> None:
        """Open the epoch and set the clock; then commit and beat until `stop`."""
        self.liveness.on_away(self.committer.keep_nobody_waiting)
        self.liveness.on_gone(self.leases.give_up)
        self.liveness.asked(_HEARTBEAT)
        # What a dead process left still fits in its epoch before that is fenced off.
        await self.dead_journals.look()
        await self.committer.open_epoch()
        self._tasks = [
            asyncio.create_task(self.committer.run(), name="committer"),
            asyncio.create_task(self.committer.let_go(), name="journal"),
            asyncio.create_task(self.dead_journals.look_forever(), name="recovery"),
            asyncio.create_task(self._beat_forever(), name="heartbeat"),
            asyncio.create_task(self._watch(), name="liveness"),
        ]
        await self._first_beat.wait()
        self._tasks += [
            asyncio.create_task(self.leases.run(), name="leases"),
            asyncio.create_task(self.leases.openings.run(), name="windows"),
        ]

    async def stop(self) -> None:
        """Commit what is queued and close the epoch, once no request runs any more."""
        await self.committer.flush(patience_s=FLUSH_PATIENCE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        has_all = not self.committer.epoch.id
        if self.committer.waiting:
            # The journal keeps them for whoever starts next on this host.
            log.error("events_not_committed", count=self.committer.waiting)
        elif self.committer.epoch.id:
            has_all = await self.committer.close(self._counts())
        await self._stop_heart()
        await self.leases.close()
        self.journal.close(is_needed=not has_all)

    def _counts(self) -> EpochCounts:
        """Count for the present epoch; see `EpochCounts`."""
        journal = self.journal
        oldest_us = None
        if self.clock.is_set:
            oldest = next(iter(journal.entries.values()), None)
            oldest_us = (
                self.clock.now_us()
                if oldest is None
                else oldest.admission.admitted_at_us
            )
        return EpochCounts(journal.epoch_admitted, journal.epoch_voided, oldest_us)

    def _counts_to_leave(self) -> EpochCounts:
        """Count for an epoch that ends: what is not settled goes on in the next."""
        counts = self._counts()
        return replace(counts, admitted=counts.admitted - self._unsettled)

    def _count_afresh(self) -> None:
        """Begin a new epoch with what is not settled, so that its counts balance."""
        epoch = self.committer.epoch
        self.journal.enter(epoch.id, epoch.started_us, unsettled=self._unsettled)
        self.leases.book.forget()
        self.committer.forget_uses()

    def _note_standing(self, standing: Mapping[UUID, Stands]) -> None:
        """Remember which running requests are settled already, and as what."""
        self._standing = {
            request_id: stands
            for request_id, stands in standing.items()
            if request_id in self._open
        }

    @property
    def _unsettled(self) -> int:
        running = len(self._open) - len(self._standing)
        return running + self.committer.unsettled

    async def _watch(self) -> None:
        """Judge the silence, but never by the clock of a process that slept itself."""
        loop = asyncio.get_running_loop()
        pause = HEARTBEAT_S / 2
        while True:
            began = loop.time()
            await asyncio.sleep(pause)
            if loop.time() - began > 2 * pause:
                # Held up, this process may have answers that it has not read yet.
                await asyncio.sleep(pause)
            self.liveness.check()
            self._check_leases()

    def _check_leases(self) -> None:
        """End what runs on leases that have ended: others may have what they held."""
        has_lapsed = boot_us() - self._beaten_us >= LEASE_LIFE_US
        if has_lapsed and not self._has_lapsed:
            log.error("leases_lapsed", requests=len(self._open))
            for listener in self._lapse_listeners:
                listener()
        self._has_lapsed = has_lapsed

    async def _beat_forever(self) -> None:
        while True:
            try:
                await self._beat()
            except psycopg.OperationalError as error:
                log.warning("heartbeat_lost", reason=type(error).__name__)
                await self._stop_heart()
            except Exception:
                log.exception("heartbeat_failed")
                await self._stop_heart()
            await asyncio.sleep(HEARTBEAT_S)

    async def _stop_heart(self) -> None:
        if self._heart is not None:
            await self._heart.close()

    async def _beat(self) -> None:
        """Tell the database that this process lives, and read its clock."""
        self.liveness.asked(_HEARTBEAT)
        if self._heart is None or self._heart.closed:
            self._heart = await connect(
                self._url,
                name=f"{self._gateway} heartbeat",
                options="-c synchronous_commit=off",
            )
        epoch_id, counts = self.committer.epoch.id, self._counts()
        last_seq = self.committer.epoch.last_seq
        sent_us = boot_us()
        slots = self._checkpoint(sent_us)
        cursor = await self._heart.execute(
            statements.HEARTBEAT,
            {
                "epoch_id": epoch_id,
                "admitted": counts.admitted,
                "voided": counts.voided,
                "open_since_us": counts.open_since_us,
                "slots": slots,
            },
        )
        row = await cursor.fetchone()
        if row is None or row[1] < last_seq:
            # Closed from outside: by another process of this name, or after a long
            # silence; or the database lost what it had confirmed. If a new epoch was
            # opened meanwhile, the next beat is for it.
            if epoch_id == self.committer.epoch.id:
                self.committer.reopen_epoch()
            return
        if slots is not None:
            self._note_checkpoint(slots, sent_us)
        self.clock.set(row[0], sent_us=sent_us, received_us=boot_us())
        self._beaten_us = sent_us
        self.liveness.answered(_HEARTBEAT)
        self._first_beat.set()

    def _checkpoint(self, now_us: int) -> bytes | None:
        """Return how open requests stand, or None where that need not be told now."""
        if now_us < self._checkpoint_due_us:
            return None
        slots = self.journal.checkpoint()
        # It may stand there from now on, also where the database's answer gets lost.
        self._is_checkpoint_empty &= not slots
        return None if self._is_checkpoint_empty else slots

    def _note_checkpoint(self, slots: bytes, sent_us: int) -> None:
        """Note that the database has it: one that got lost is told again."""
        self._is_checkpoint_empty = not slots
        self._checkpoint_due_us = sent_us + len(slots) // CHECKPOINT_BYTES_PER_US


def _not_now() -> ServiceUnavailable:
    return ServiceUnavailable(
        "Usage cannot be recorded at the moment. Try again shortly.",
        headers={"retry-after": "1"},
    )


def _done() -> asyncio.Future[None]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
