"""Leases between this process and the database: asked for, given back, held against it.

One task and one connection: each turn gives back what is idle and asks for what is
short, in one statement each for all of it. A few times a second it tells how far open
requests are and hears what is recalled. Windows are opened beside it.

Failure: what cannot be asked now is asked again shortly; wishes meanwhile run into
their patience. An answer that got lost is found by comparing. Owns: the connection,
the leases and windows of this process, the claims of its open requests.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import structlog
from psycopg import AsyncConnection

from kit.contracts import (
    Admission,
    BudgetPlace,
    BudgetShortError,
    Hold,
    TokenCounts,
)
from kit.errors import ServiceUnavailable
from kit.postgres import connect
from metering.intake import lease_statements as statements
from metering.intake.claims import Answer, Claim, Part, Standing
from metering.intake.holds import FREE_HOLD, BudgetHold, wished
from metering.intake.leases import LeaseBook
from metering.intake.openings import PATIENCE_S, Openings
from metering.intake.statements import TERMINATE
from metering.intake.windows import KnownWindow, WindowBook

CHANNEL = "tollgate_budgets"
# For an announcement that got lost.
POLL_S = 5.0
BEAT_S = 0.25
# How often what somebody waits for is asked for again.
AGAIN_S = 0.02
PRUNE_S = 60.0
_PATIENCE = "-c lock_timeout=2000 -c statement_timeout=5000"

log = structlog.get_logger("tollgate.intake")


@dataclass(slots=True)
class BrokerStats:
    """Plain counters, read on scrape."""

    grants: int = 0
    refusals: int = 0
    waits: int = 0
    recalls: int = 0
    mended: int = 0


@dataclass(slots=True)
class LeaseBroker:
    """Holds amounts of budgets for requests, on leases of this process's epoch."""

    url: str
    name: str
    now_us: Callable[[], int]
    epoch_id: Callable[[], int]
    is_gone: Callable[[], bool]
    book: LeaseBook = field(default_factory=LeaseBook)
    windows: WindowBook = field(default_factory=WindowBook)
    openings: Openings = field(init=False)
    stats: BrokerStats = field(default_factory=BrokerStats)
    _claims: dict[UUID, Claim] = field(default_factory=dict)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _connection: AsyncConnection | None = None
    _old_pid: int | None = None
    _beaten_at: float = 0.0
    _is_recalled: bool = False
    _pruned_at: float = 0.0

    def __post_init__(self) -> None:
        """Let windows be opened beside the leases."""
        self.openings = Openings(self.url, self.name, self.now_us, self.windows)

    def try_hold(
        self,
        admission: Admission,
        places: Sequence[BudgetPlace],
        *,
        prompt_tokens: int,
        outputs: Sequence[int],
    ) -> Hold | None:
        """Hold what leases in hand cover; see `kit.contracts.Meter.try_hold`."""
        claim = self._claims.get(admission.request_id)
        if claim is None:
            parts = self._parts(places, admission.admitted_at_us)
            if not parts:
                return None if parts is None else FREE_HOLD
            claim = self._claim(admission, parts)
        claim.is_shrinkable = len(outputs) > 1
        now_us = self.now_us()
        for output in outputs:
            if self.book.change(claim, prompt_tokens, output, now_us=now_us):
                self._refill(claim)
                return self._hold(claim, is_tight=output != outputs[0])
        return None

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
        try_hold = partial(
            self.try_hold,
            admission,
            places,
            prompt_tokens=prompt_tokens,
            outputs=outputs,
        )
        hold = try_hold()
        if hold is None and admission.request_id not in self._claims:
            await self._know(places, admission.admitted_at_us)
            hold = try_hold()
        if hold is not None:
            return hold
        claim = self._claims.get(admission.request_id)
        if claim is None or self.is_gone():
            raise _away()
        self.stats.waits += 1
        outcome = await wished(
            self.book,
            claim=claim,
            prompt_tokens=prompt_tokens,
            outputs=tuple(outputs),
            is_extension=False,
            until_us=self.now_us() + round(patience_s * 1_000_000),
            now_us=self.now_us,
            wanted=self._wanted.set,
        )
        if outcome.answer is Answer.HELD:
            return self._hold(claim, is_tight=claim.output_tokens < outputs[0])
        if outcome.place is None:
            raise _away()
        self.stats.refusals += 1
        raise BudgetShortError(outcome.place, is_spent=outcome.answer is Answer.SPENT)

    def settle(self, request_id: UUID, counts: TokenCounts) -> dict[int, int]:
        """End a request's hold; return what its event uses up of which leases."""
        claim = self._claims.pop(request_id, None)
        if claim is None:
            return {}
        return self.book.settle(claim, counts, now_us=self.now_us())

    def release(self, request_id: UUID) -> None:
        """End the hold of a request that is not billed at all."""
        if (claim := self._claims.pop(request_id, None)) is not None:
            self.book.release(claim, now_us=self.now_us())

    def spent(self, uses: Mapping[int, int]) -> str:
        """Write down for the database what a batch uses up; see `budgets_post`."""
        leases = self.book.leases
        return " ".join(
            f"{window_id}={amount}={leases[window_id].used}"
            for window_id, amount in sorted(uses.items())
            if window_id in leases
        )

    def give_up(self) -> None:
        """Let nobody wait: the database is gone."""
        self.book.give_up()

    async def recalled(self, connection: AsyncConnection) -> None:
        """Look at once for what is recalled: somebody announced that something is."""
        self._is_recalled = True
        self._wanted.set()

    async def run(self) -> None:
        """Ask and give back until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            pause = AGAIN_S if self.book.wishes else BEAT_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), pause)
            self._wanted.clear()
            try:
                await self._turn(loop.time())
            except psycopg.OperationalError as error:
                log.warning("leases_interrupted", reason=type(error).__name__)
                await self._drop_connection()
                await asyncio.sleep(AGAIN_S)
            except Exception:
                log.exception("leases_failed")
                await self._drop_connection()
                await asyncio.sleep(BEAT_S)

    async def close(self) -> None:
        """Give the connection back; the epoch's end gives back the leases."""
        await self._drop_connection()
        await self.openings.close()

    def _parts(
        self, places: Sequence[BudgetPlace], at_us: int
    ) -> tuple[Part, ...] | None:
        """Return what to hold of whose leases; None where a window is not known.

        What is not known is asked for at once, not one place after the other. Places
        that only warn have theirs counted, and nobody waits for that.
        """
        parts: list[Part] = []
        is_known = True
        for place in places:
            window = self.windows.find(place, at_us=at_us)
            if window is None:
                is_known &= not place.is_hard
                if not (place.is_hard and self.is_gone()):
                    self.openings.ask(place, at_us)
            elif place.is_hard:
                parts.append(Part(self.book.lease(window.window_id, place)))
        return tuple(parts) if is_known else None

    def _claim(self, admission: Admission, parts: tuple[Part, ...]) -> Claim:
        claim = Claim(admission.price, parts, since_us=admission.admitted_at_us)
        self.book.open(claim)
        self._claims[admission.request_id] = claim
        return claim

    def _hold(self, claim: Claim, *, is_tight: bool) -> BudgetHold:
        return BudgetHold(
            claim,
            self.book,
            self.now_us,
            self._wanted.set,
            self.is_gone,
            is_tight=is_tight,
        )

    async def _know(self, places: Sequence[BudgetPlace], at_us: int) -> None:
        """Return once the windows of all hard places are known; else raise."""
        for place in places:
            if not place.is_hard or self.windows.find(place, at_us=at_us) is not None:
                continue
            if self.is_gone():
                raise _away()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while not await asyncio.shield(self.openings.ask(place, at_us)):
                        pass
            except TimeoutError:
                raise _away() from None
            if self.windows.find(place, at_us=at_us) is None:
                log.error("no_budget_window", tenant_id=place.tenant_id)
                raise _away()

    def _refill(self, claim: Claim) -> None:
        """Ask for more before a lease runs out, so that few requests wait for it."""
        for part in claim.parts:
            if part.lease.free < part.lease.target // 2:
                self._wanted.set()

    async def _turn(self, now: float) -> None:
        elapsed = now - self._beaten_at
        if elapsed >= BEAT_S or self._is_recalled:
            self._beaten_at, self._is_recalled = now, False
            # What is taken between two recalls says little about the rate of use.
            await self._beat(max(elapsed, BEAT_S))
            self._look_ahead(now)
        if asked := self.book.needs(now_us=self.now_us()):
            await self._grant(asked)
        self.book.serve(now_us=self.now_us())

    async def _grant(self, asked: Mapping[int, tuple[int, int]]) -> None:
        epoch_id = self.epoch_id()
        rows = await self._all(
            statements.GRANT,
            {
                "epoch_id": epoch_id,
                "ids": list(asked),
                "leasts": [str(least) for least, _ in asked.values()],
                "wants": [str(want) for _, want in asked.values()],
            },
        )
        if epoch_id != self.epoch_id():
            # It was closed meanwhile, and with it went what was granted.
            return
        self.stats.grants += len(rows)
        standings = {
            row[0]: Standing(
                granted=int(row[1]),
                in_force=None if row[2] is None else int(row[2]),
                posted=int(row[3]),
                used_elsewhere=int(row[4]),
                until_us=row[5],
            )
            for row in rows
        }
        self.book.granted(standings, now_us=self.now_us())

    async def _beat(self, seconds: float) -> None:
        """Tell what is used, hear what is recalled, give back what is idle."""
        self.book.expire(now_us=self.now_us())
        self.book.measure()
        known = self.book.known()
        back: dict[int, int] = {}
        if known:
            epoch_id = self.epoch_id()
            rows = await self._all(
                statements.BEAT,
                {
                    "epoch_id": epoch_id,
                    "ids": list(known),
                    "amounts": [str(amount) for amount in known.values()],
                    "used": [str(self.book.leases[each].used) for each in known],
                },
            )
            if epoch_id != self.epoch_id():
                return
            now_us = self.now_us()
            for window_id, amount, recalled_us in rows:
                beyond = self.book.compare(
                    window_id, int(amount), known=known[window_id]
                )
                if beyond:
                    self.stats.mended += 1
                    back[window_id] = beyond
                if self.book.recall(window_id, recalled_us=recalled_us, now_us=now_us):
                    self.stats.recalls += 1
        # What goes back though somebody here waits for it, others are to ask for first.
        yield_us = round(random.uniform(0, 2 * AGAIN_S) * 1_000_000)  # noqa: S311
        idle = self.book.look(seconds, now_us=self.now_us(), yield_us=yield_us)
        for window_id, amount in idle.items():
            back[window_id] = back.get(window_id, 0) + amount
        if back:
            await self._all(
                statements.RETURN,
                {
                    "epoch_id": self.epoch_id(),
                    "ids": list(back),
                    "amounts": [str(amount) for amount in back.values()],
                },
            )

    def _look_ahead(self, now: float) -> None:
        """Open the windows that follow those in use, and lease what they will need."""
        now_us = self.now_us()
        for place, window in self.windows.ending(now_us=now_us):
            future = self.openings.ask(place, window.ends_us)
            future.add_done_callback(partial(self._lease_ahead, place, window))
        if now - self._pruned_at >= PRUNE_S:
            self._pruned_at = now
            self.windows.prune(now_us=now_us)

    def _lease_ahead(
        self, place: BudgetPlace, before: KnownWindow, _: asyncio.Future[bool]
    ) -> None:
        window = self.windows.find(place, at_us=before.ends_us)
        lease = self.book.leases.get(before.window_id)
        if window is not None and lease is not None and place.is_hard:
            following = self.book.lease(window.window_id, place)
            following.burn = lease.burn
            # Until it begins nobody uses it, and it does not go back.
            following.used_at_us = before.ends_us

    async def _all(
        self, statement: LiteralString, values: Mapping[str, Any]
    ) -> list[Any]:
        if self._connection is None or self._connection.closed:
            name = f"{self.name} leases"
            self._connection = await connect(self.url, name=name, options=_PATIENCE)
            if self._old_pid is not None:
                # What was asked there may be done yet: wait until it is, or never will.
                await self._connection.execute(
                    TERMINATE, {"pid": self._old_pid, "name": name}
                )
            self._old_pid = self._connection.info.backend_pid
        cursor = await self._connection.execute(statement, values)
        return await cursor.fetchall()

    async def _drop_connection(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


def _away() -> ServiceUnavailable:
    return ServiceUnavailable(
        "Budgets cannot be asked at the moment. Try again shortly.",
        headers={"retry-after": "1"},
    )
