"""A meter in memory for tests of the relay: it notes everything and commits on demand.

It lives on the gateway's loop; a test reads its lists, and changes it by
`hold_commits`, `release` and `give_up`.
"""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from kit.contracts import (
    Admission,
    BudgetPlace,
    Caller,
    DatabaseAwayError,
    Hold,
    LinearPrice,
    Outcome,
    Surface,
    TokenCounts,
)
from kit.errors import ModelNotPriced, ServiceUnavailable
from kit.ids import uuid7
from tests.inference.gateway.budgets import MemoryBudgets

NOW_US = 1_790_000_000_000_000


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A correction that the relay asked for."""

    outcome: Outcome
    prompt_too: bool


@dataclass(slots=True)
class RecordingTrace:
    """Implements `kit.contracts.Trace`: what was offered, and what taken."""

    offers: list[TokenCounts] = field(default_factory=list)
    taken: list[TokenCounts] = field(default_factory=list)

    def offered(
        self, counts: TokenCounts, *, replica_id: int, first_token_us: int | None
    ) -> None:
        """Note an offer."""
        self.offers.append(counts)

    def written(self) -> None:
        """Note that the last offer was taken."""
        if self.offers:
            self.taken.append(self.offers[-1])


@dataclass(slots=True)
class RecordingMeter:
    """Implements `kit.contracts.Meter` without a database."""

    loop: asyncio.AbstractEventLoop
    admissions: list[Admission] = field(default_factory=list)
    voided: list[Admission] = field(default_factory=list)
    settled: list[tuple[Admission, Outcome]] = field(default_factory=list)
    corrections: list[Undelivered] = field(default_factory=list)
    unpriced: set[str] = field(default_factory=set)
    traces: dict[UUID, RecordingTrace] = field(default_factory=dict)
    bodies: dict[UUID, str] = field(default_factory=dict)
    is_away: bool = False
    budgets: MemoryBudgets = field(default_factory=MemoryBudgets)
    _open: set[UUID] = field(default_factory=set)
    _holds: bool = False
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def open_requests(self) -> int:
        """Return how many admissions are neither settled nor voided."""
        return len(self._open)

    def is_open(self, admission: Admission) -> bool:
        """Tell whether a request is neither settled nor voided."""
        return admission.request_id in self._open

    @property
    def outcomes(self) -> list[Outcome]:
        """Return how the settled requests ended."""
        return [outcome for _, outcome in self.settled]

    def price(self, caller: Caller, model: str) -> LinearPrice | None:
        """Return a price for every model that is not `unpriced`."""
        if model in self.unpriced:
            return None
        return LinearPrice(1, model, caller.currency, 3, 1, 15)

    def admit(
        self, caller: Caller, *, model: str, surface: Surface, streamed: bool
    ) -> Admission:
        """Admit, unless the database is said to be away."""
        if self.is_away:
            raise ServiceUnavailable("Away.", headers={"retry-after": "1"})
        price = self.price(caller, model)
        if price is None:
            raise ModelNotPriced(model)
        now_us = NOW_US + next(self._numbers)
        admission = Admission(
            uuid7(now_us // 1000), now_us, caller, price, surface, streamed
        )
        self._open.add(admission.request_id)
        self.admissions.append(admission)
        return admission

    def try_hold(
        self,
        admission: Admission,
        places: Sequence[BudgetPlace],
        *,
        prompt_tokens: int,
        outputs: Sequence[int],
    ) -> Hold | None:
        """Hold in budgets that are in memory, too."""
        return self.budgets.try_hold(
            admission, places, prompt_tokens=prompt_tokens, outputs=outputs
        )

    async def hold(
        self,
        admission: Admission,
        places: Sequence[BudgetPlace],
        *,
        prompt_tokens: int,
        outputs: Sequence[int],
        patience_s: float,
    ) -> Hold:
        """Hold in budgets that are in memory, too."""
        return await self.budgets.hold(
            admission,
            places,
            prompt_tokens=prompt_tokens,
            outputs=outputs,
            patience_s=patience_s,
        )

    def void(self, admission: Admission) -> None:
        """Note a void; a second end of one request is an error."""
        self.budgets.end(admission, None)
        self._open.remove(admission.request_id)
        self.voided.append(admission)

    def trace(self, admission: Admission) -> "RecordingTrace":
        """Return what notes the progress of a request."""
        assert admission.request_id in self._open
        return self.traces.setdefault(admission.request_id, RecordingTrace())

    def begin_body(self, admission: Admission) -> None:
        """Note that a settled body is on its way."""
        self.bodies[admission.request_id] = "begun"

    def body_taken(self, admission: Admission) -> None:
        """Note that its client has begun to get it."""
        assert self.bodies[admission.request_id] == "begun"
        self.bodies[admission.request_id] = "taken"

    def settle(
        self, admission: Admission, outcome: Outcome, *, is_due: bool = False
    ) -> asyncio.Future[None]:
        """Note an outcome; a second end of one request is an error."""
        self.budgets.end(admission, outcome.counts)
        self._open.remove(admission.request_id)
        self.settled.append((admission, outcome))
        if is_due:
            self.bodies[admission.request_id] = "due"
        future: asyncio.Future[None] = self.loop.create_future()
        if self._holds:
            self._waiting.append(future)
        elif self.is_away:
            self._fail(future)
        else:
            future.set_result(None)
        return future

    def undelivered(
        self, admission: Admission, outcome: Outcome, *, prompt_too: bool
    ) -> asyncio.Future[None]:
        """Note a correction."""
        assert (admission, outcome) in self.settled
        self.corrections.append(Undelivered(outcome, prompt_too))
        future: asyncio.Future[None] = self.loop.create_future()
        future.set_result(None)
        return future

    # What tests call, from their own thread -------------------------------------------

    def hold_commits(self) -> None:
        """Let commits wait from now on."""
        self._holds = True

    def release(self) -> None:
        """Commit what waits, and everything from now on."""
        self._holds = False
        self.loop.call_soon_threadsafe(self._release)

    def give_up(self) -> None:
        """Fail what waits: the database does not answer. Later commits succeed."""
        self._holds = False
        self.loop.call_soon_threadsafe(self._release, True)

    def _release(self, failing: bool = False) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if failing:
                self._fail(future)
            elif not future.done():
                future.set_result(None)

    def _fail(self, future: asyncio.Future[None]) -> None:
        if not future.done():
            future.set_exception(DatabaseAwayError())
            future.exception()
