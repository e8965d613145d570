"""The meter of one gateway process: admits requests and makes usage durable.

Failure: while PostgreSQL does not answer, nothing new is admitted, and what ends
meanwhile is kept in memory and committed when it is back. Owns: the epoch, the clock,
the price list, the set of open admissions. Called by the gateway through
`kit.contracts.Meter`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import psycopg
import structlog
from psycopg import AsyncConnection

from kit.clock import boot_us
from kit.contracts import (
    Admission,
    BudgetPlace,
    Caller,
    Hold,
    LinearPrice,
    Outcome,
    Surface,
)
from kit.errors import ModelNotPriced, ServiceUnavailable
from kit.ids import uuid7
from kit.postgres import connect
from metering.intake import statements
from metering.intake.broker import LeaseBroker
from metering.intake.clock import DatabaseClock
from metering.intake.committer import Committer
from metering.intake.epoch import Epoch, EpochCounts
from metering.intake.events import request_event, undelivered_event
from metering.intake.liveness import Liveness
from metering.intake.prices import PriceList

HEARTBEAT_S = 0.25
# How long a stopping process waits for a database that is away.
FLUSH_PATIENCE_S = 30.0
_HEARTBEAT = "heartbeat"

log = structlog.get_logger("tollgate.intake")


class IntakeMeter:
    """Implements `kit.contracts.Meter` on PostgreSQL."""

    def __init__(
        self, *, url: str, gateway: str, liveness: Liveness, gap_ms: int
    ) -> None:
        self._url = url
        self._gateway = gateway
        self.liveness = liveness
        self.clock = DatabaseClock()
        epoch = Epoch(url=url, gateway=gateway)
        self.leases = LeaseBroker(
            url=url,
            name=gateway,
            now_us=self.clock.now_us,
            epoch_id=lambda: epoch.id,
            is_away=lambda: liveness.is_away,
        )
        self.committer = Committer(
            epoch=epoch,
            liveness=liveness,
            leases=self.leases,
            gap_ms=gap_ms,
            leave=self._counts_to_leave,
            enter=self._count_afresh,
        )
        self.prices = PriceList()
        self.admitted = 0
        self.voided = 0
        self._open: dict[UUID, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._heart: AsyncConnection | None = None
        self._first_beat = asyncio.Event()

    @property
    def open_requests(self) -> int:
        """Return how many admissions are neither settled nor voided."""
        return len(self._open)

    def price(self, caller: Caller, model: str) -> LinearPrice | None:
        """Return the price that a request of this caller would be admitted at now."""
        return self.prices.find(
            tenant_id=caller.tenant_id,
            currency=caller.currency,
            model=model,
            at_us=self.clock.now_us(),
        )

    def admit(
        self, caller: Caller, *, model: str, surface: Surface, streamed: bool
    ) -> Admission:
        """Admit a request now; see `kit.contracts.Meter.admit`."""
        if self.liveness.is_away or not self.clock.is_set:
            raise ServiceUnavailable(
                "Usage cannot be recorded at the moment. Try again shortly.",
                headers={"retry-after": "1"},
            )
        now_us = self.clock.now_us()
        price = self.prices.find(
            tenant_id=caller.tenant_id,
            currency=caller.currency,
            model=model,
            at_us=now_us,
        )
        if price is None:
            raise ModelNotPriced(model)
        admission = Admission(
            uuid7(now_us // 1000), now_us, caller, price, surface, streamed
        )
        self.admitted += 1
        self._open[admission.request_id] = now_us
        return admission

    async def hold(
        self,
        admission: Admission,
        places: Sequence[BudgetPlace],
        *,
        prompt_tokens: int,
        outputs: Sequence[int],
        patience_s: float,
    ) -> Hold:
        """Hold a prompt and some output; see `kit.contracts.Meter.hold`."""
        return await self.leases.hold(
            admission,
            places,
            prompt_tokens=prompt_tokens,
            outputs=outputs,
            patience_s=patience_s,
        )

    def void(self, admission: Admission) -> None:
        """Forget an admission that no engine accepted."""
        del self._open[admission.request_id]
        self.voided += 1
        self.leases.release(admission.request_id)

    def settle(self, admission: Admission, outcome: Outcome) -> asyncio.Future[None]:
        """Queue the event of a request that ended."""
        del self._open[admission.request_id]
        uses = self.leases.settle(admission.request_id, outcome.counts)
        return self.committer.add(request_event(admission, outcome), uses)

    def undelivered(
        self, admission: Admission, outcome: Outcome, *, prompt_too: bool
    ) -> asyncio.Future[None]:
        """Queue the correction of an answer that was settled but not handed over."""
        return self.committer.add(
            undelivered_event(admission, outcome, prompt_too=prompt_too)
        )

    async def start(self) -> None:
        """Open the epoch and set the clock; then commit and beat until `stop`."""
        self.liveness.on_away(self.committer.give_up_waiting)
        self.liveness.on_away(self.leases.give_up)
        self.liveness.asked(_HEARTBEAT)
        await self.committer.open_epoch()
        self._tasks = [
            asyncio.create_task(self.committer.run(), name="committer"),
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
        if self.committer.waiting:
            log.error("events_not_committed", count=self.committer.waiting)
        elif self.committer.epoch.id:
            await self.committer.close(self._counts())
        await self._stop_heart()
        await self.leases.close()

    def _counts(self) -> EpochCounts:
        """Count for the present epoch; see `EpochCounts`."""
        if not self.clock.is_set:
            return EpochCounts(self.admitted, self.voided, None)
        # Insertion order is admission order: the first is the oldest.
        oldest_us = min(
            next(iter(self._open.values()), self.clock.now_us()),
            self.committer.oldest_us or self.clock.now_us(),
        )
        return EpochCounts(self.admitted, self.voided, oldest_us)

    def _counts_to_leave(self) -> EpochCounts:
        """Count for an epoch that ends: what is not settled goes on in the next."""
        counts = self._counts()
        return replace(counts, admitted=counts.admitted - self._unsettled)

    def _count_afresh(self) -> None:
        """Begin a new epoch with what is not settled, so that its counts balance."""
        self.admitted = self._unsettled
        self.voided = 0
        self.leases.book.forget()
        self.committer.forget_uses()

    @property
    def _unsettled(self) -> int:
        return len(self._open) + self.committer.unsettled

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
        sent_us = boot_us()
        cursor = await self._heart.execute(
            statements.HEARTBEAT,
            {
                "epoch_id": epoch_id,
                "admitted": counts.admitted,
                "voided": counts.voided,
                "open_since_us": counts.open_since_us,
            },
        )
        row = await cursor.fetchone()
        if row is None:
            # Closed from outside: by another process of this name, or after a long
            # silence. If a new epoch was opened meanwhile, the next beat is for it.
            if epoch_id == self.committer.epoch.id:
                self.committer.reopen_epoch()
            return
        self.clock.set(row[0], sent_us=sent_us, received_us=boot_us())
        self.liveness.answered(_HEARTBEAT)
        self._first_beat.set()
