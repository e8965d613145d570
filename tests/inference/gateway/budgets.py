"""Budgets in memory, by the rules of metering.md: what the relay is tested against.

One process, no leases: what is free is free to all. A hold grows only by `extend`, so
that every token beyond the first slice passes through a wait that may fail. Lives on
the gateway's loop.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from kit.contracts import (
    Admission,
    BudgetPlace,
    BudgetShortError,
    LinearPrice,
    TokenCounts,
)

_HOG = UUID(int=0)
AHEAD = (64, 32, 16, 8, 4, 2, 1, 0)


def amount(place: BudgetPlace, price: LinearPrice, counts: TokenCounts) -> int:
    """Return what tokens come to at a place."""
    prompt = counts.input_tokens + counts.cached_input_tokens
    if place.kind != "quota":
        return (
            counts.input_tokens * price.input_picos
            + counts.cached_input_tokens * price.cached_input_picos
            + counts.output_tokens * price.output_picos
        )
    by_unit = {"input_tokens": prompt, "output_tokens": counts.output_tokens}
    return by_unit.get(place.unit, prompt + counts.output_tokens)


@dataclass(slots=True, eq=False)
class MemoryHold:
    """Implements `kit.contracts.Hold`."""

    budgets: "MemoryBudgets"
    price: LinearPrice
    places: tuple[BudgetPlace, ...]
    held: TokenCounts = field(default_factory=TokenCounts)
    used: TokenCounts = field(default_factory=TokenCounts)

    @property
    def is_tight(self) -> bool:
        """Tell whether another slice would not fit."""
        more = TokenCounts(output_tokens=AHEAD[0])
        return any(
            self.budgets.free(place) < amount(place, self.price, more)
            for place in self.places
        )

    @property
    def tokens(self) -> tuple[int, int]:
        """Return what is held, cached or not."""
        held = self.held
        return held.input_tokens + held.cached_input_tokens, held.output_tokens

    def reserves(self, output_tokens: int) -> bool:
        """Tell whether so much output is held, once the prompt is exact."""
        is_exact = self.used.input_tokens + self.used.cached_input_tokens > 0
        is_held = is_exact and output_tokens <= self.held.output_tokens
        return is_held and not self.is_tight

    def includes(self, counts: TokenCounts) -> bool:
        """Tell whether these are held; in memory it is the same."""
        return self.covers(counts)

    def covers(self, counts: TokenCounts) -> bool:
        """Tell whether these are held."""
        return all(
            amount(place, self.price, self._whole(counts))
            <= amount(place, self.price, self.held)
            for place in self.places
        )

    async def extend(self, counts: TokenCounts) -> bool:
        """Hold more of it; wait while others have what they do not use."""
        wanted = self._whole(counts)
        prompt = wanted.input_tokens + wanted.cached_input_tokens
        outputs = [counts.output_tokens + ahead for ahead in AHEAD]
        try:
            await self.budgets.get(self, prompt, outputs, self.budgets.extension_s)
        except BudgetShortError:
            return False
        return True

    def handed_over(self, counts: TokenCounts) -> None:
        """Note what is used; of the prompt the rest goes back."""
        self.used = counts
        if counts.input_tokens + counts.cached_input_tokens:
            prompt = counts.input_tokens + counts.cached_input_tokens
            self.held = TokenCounts(prompt, 0, self.held.output_tokens)
        self.budgets.changed()

    def _whole(self, counts: TokenCounts) -> TokenCounts:
        """Put the bound of the prompt where it is not reported yet."""
        if counts.input_tokens + counts.cached_input_tokens:
            return counts
        return TokenCounts(self.held.input_tokens, 0, counts.output_tokens)


@dataclass(slots=True)
class MemoryBudgets:
    """What is left where; a place without a limit has enough of everything."""

    limits: dict[BudgetPlace, int] = field(default_factory=dict)
    posted: Counter[BudgetPlace] = field(default_factory=Counter)
    holds: dict[UUID, MemoryHold] = field(default_factory=dict)
    # How many have ever been asked for, and how long an extension waits.
    asked: int = 0
    extension_s: float = 10.0
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def clear(self) -> None:
        """Forget limits and what was used of them."""
        self.limits.clear()
        self.posted.clear()
        self.asked = 0
        self.extension_s = 10.0

    def hog(self, place: BudgetPlace, free: int) -> None:
        """Hold all but so much of a place for nobody, who uses none of it."""
        price = LinearPrice(1, "hog", "USD", 1, 1, 1)
        held = TokenCounts(output_tokens=self.free(place) - free)
        self.holds[_HOG] = MemoryHold(self, price, (place,), held)

    def unhog(self) -> None:
        """Give that back."""
        del self.holds[_HOG]
        self.changed()

    def free(self, place: BudgetPlace) -> int:
        """Return what nobody holds."""
        held = sum(amount(place, hold.price, hold.held) for hold in self._of(place))
        return self._limit(place) - self.posted[place] - held

    def try_hold(
        self,
        admission: Admission,
        places: Sequence[BudgetPlace],
        *,
        prompt_tokens: int,
        outputs: Sequence[int],
    ) -> MemoryHold | None:
        """Implement `kit.contracts.Meter.try_hold`."""
        self.asked += 1
        hold = self._opened(admission, places)
        return hold if self._try(hold, prompt_tokens, outputs) else None

    async def hold(
        self,
        admission: Admission,
        places: Sequence[BudgetPlace],
        *,
        prompt_tokens: int,
        outputs: Sequence[int],
        patience_s: float,
    ) -> MemoryHold:
        """Implement `kit.contracts.Meter.hold`."""
        self.asked += 1
        hold = self._opened(admission, places)
        await self.get(hold, prompt_tokens, outputs, patience_s)
        return hold

    def _opened(
        self, admission: Admission, places: Sequence[BudgetPlace]
    ) -> MemoryHold:
        hold = self.holds.get(admission.request_id)
        if hold is None:
            hold = MemoryHold(self, admission.price, tuple(places))
            self.holds[admission.request_id] = hold
        return hold

    async def get(
        self,
        hold: MemoryHold,
        prompt_tokens: int,
        outputs: Sequence[int],
        patience_s: float,
    ) -> None:
        """Hold the first of these that fits; raises `BudgetShortError`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        while True:
            if self._try(hold, prompt_tokens, outputs):
                return
            least = TokenCounts(prompt_tokens, 0, outputs[-1])
            if (place := self._lacking(hold, least, of_used=True)) is not None:
                raise BudgetShortError(place, is_spent=True)
            future = loop.create_future()
            self._waiting.append(future)
            try:
                async with asyncio.timeout_at(until):
                    await future
            except TimeoutError:
                place = self._lacking(hold, least)
                if place is not None:
                    raise BudgetShortError(place, is_spent=False) from None
            finally:
                with suppress(ValueError):
                    self._waiting.remove(future)

    def _try(
        self, hold: MemoryHold, prompt_tokens: int, outputs: Sequence[int]
    ) -> bool:
        """Hold the first of these that fits now, if one does."""
        for output in outputs:
            wanted = TokenCounts(prompt_tokens, 0, output)
            if self._lacking(hold, wanted) is None:
                hold.held = wanted
                self.changed()
                return True
        return False

    def end(self, admission: Admission, counts: TokenCounts | None) -> None:
        """Post what is billed, and give back the rest."""
        hold = self.holds.pop(admission.request_id, None)
        if hold is not None and counts is not None:
            for place in hold.places:
                self.posted[place] += amount(place, hold.price, counts)
        self.changed()

    def changed(self) -> None:
        """Let those who wait look again."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _lacking(
        self, mine: MemoryHold, wanted: TokenCounts, *, of_used: bool = False
    ) -> BudgetPlace | None:
        """Return where others leave too little, of what they hold or have used."""
        for place in mine.places:
            others = sum(
                amount(place, hold.price, hold.used if of_used else hold.held)
                for hold in self._of(place)
                if hold is not mine
            )
            left = self._limit(place) - self.posted[place] - others
            if left < amount(place, mine.price, wanted):
                return place
        return None

    def _of(self, place: BudgetPlace) -> Iterator[MemoryHold]:
        return (hold for hold in self.holds.values() if place in hold.places)

    def _limit(self, place: BudgetPlace) -> int:
        return self.limits.get(place, 10**18)
