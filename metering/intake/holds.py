"""The holds of running requests, as the relay sees them: `kit.contracts.Hold`.

While leases have enough, a hold grows in memory; otherwise it waits its turn. Failure:
who stops waiting takes its wish back. Owns nothing: claims and wishes are the book's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from kit.contracts import BudgetPlace, TokenCounts
from metering.intake.claims import Answer, Claim, Wish
from metering.intake.leases import LeaseBook

# How much output is held ahead of what is sent: less and less as a budget runs out.
AHEAD = (64, 32, 16, 8, 4, 2, 1, 0)
EXTENSION_US = 10_000_000
# The clock is the database's, and may be set back a little while somebody waits.
LATE_EACH_S = 0.01


class FreeHold:
    """The hold of a request that counts towards no hard budget."""

    is_tight = False
    tokens = (0, 0)

    def reserves(self, output_tokens: int) -> bool:
        """Return that it is."""
        return True

    def includes(self, counts: TokenCounts) -> bool:
        """Return that they do."""
        return True

    def covers(self, counts: TokenCounts) -> bool:
        """Return that they are."""
        return True

    async def extend(self, counts: TokenCounts) -> bool:
        """Return that they are."""
        return True

    def handed_over(self, counts: TokenCounts) -> None:
        """Note nothing."""


FREE_HOLD = FreeHold()


@dataclass(slots=True)
class WishOutcome:
    """What became of a wish, and which place stood in its way."""

    answer: Answer
    place: BudgetPlace | None


@dataclass(slots=True)
class BudgetHold:
    """A claim on leases, for one request."""

    claim: Claim
    book: LeaseBook
    now_us: Callable[[], int]
    # Tells the broker that something is to be asked of the database.
    wanted: Callable[[], None]
    is_gone: Callable[[], bool]
    is_tight: bool = False

    @property
    def tokens(self) -> tuple[int, int]:
        """Return what is held now; see `kit.contracts.Hold.tokens`."""
        return self.claim.prompt_tokens, self.claim.output_tokens

    def reserves(self, output_tokens: int) -> bool:
        """Tell whether so much output is held; see `kit.contracts.Hold.reserves`."""
        claim = self.claim
        if self.is_tight or not claim.is_exact:
            return False
        return output_tokens <= claim.output_tokens or self.book.change(
            claim, claim.prompt_tokens, output_tokens + AHEAD[0], now_us=self.now_us()
        )

    def includes(self, counts: TokenCounts) -> bool:
        """Tell whether these tokens lie within what is held already."""
        claim = self.claim
        prompt = counts.input_tokens + counts.cached_input_tokens
        return (
            prompt <= claim.prompt_tokens
            and counts.output_tokens <= claim.output_tokens
        )

    def covers(self, counts: TokenCounts) -> bool:
        """Tell whether these tokens are held; see `kit.contracts.Hold.covers`."""
        claim = self.claim
        prompt = counts.input_tokens + counts.cached_input_tokens
        if (
            counts.output_tokens <= claim.output_tokens
            and claim.is_exact
            and prompt == claim.prompt_tokens
        ):
            claim.counts = counts
            return True
        now_us = self.now_us()
        for ahead in AHEAD:
            if self._take(counts, ahead, now_us):
                self.is_tight = ahead < AHEAD[0]
                return True
        return False

    async def extend(self, counts: TokenCounts) -> bool:
        """Return once these tokens are held; see `kit.contracts.Hold.extend`."""
        if self.covers(counts):
            return True
        self.is_tight = True
        prompt = counts.input_tokens + counts.cached_input_tokens
        while True:
            outcome = await wished(
                self.book,
                claim=self.claim,
                prompt_tokens=prompt or self.claim.prompt_tokens,
                outputs=tuple(counts.output_tokens + ahead for ahead in AHEAD),
                is_extension=True,
                until_us=self.now_us() + EXTENSION_US,
                now_us=self.now_us,
                wanted=self.wanted,
                held=partial(self._note, counts),
            )
            # Patience is for what others may give back. A database that is gone says
            # nothing of that, and its return is worth waiting for.
            if outcome.answer is not Answer.LATE or not self.is_gone():
                return outcome.answer is Answer.HELD

    def handed_over(self, counts: TokenCounts) -> None:
        """Note what the client has."""
        self.claim.counts = counts

    def _take(self, counts: TokenCounts, ahead: int, now_us: int) -> bool:
        """Hold this much and some more, or what is held already if that is enough."""
        claim = self.claim
        prompt = counts.input_tokens + counts.cached_input_tokens
        output = max(claim.output_tokens, counts.output_tokens)
        if output > claim.output_tokens:
            output = counts.output_tokens + ahead
        if not self.book.change(
            claim, prompt or claim.prompt_tokens, output, now_us=now_us
        ):
            return False
        self._note(counts)
        return True

    def _note(self, counts: TokenCounts) -> None:
        self.claim.counts = counts
        if counts.input_tokens + counts.cached_input_tokens:
            self.claim.is_exact = True


async def wished(  # noqa: PLR0913 - all of it is one wish
    book: LeaseBook,
    *,
    claim: Claim,
    prompt_tokens: int,
    outputs: tuple[int, ...],
    is_extension: bool,
    until_us: int,
    now_us: Callable[[], int],
    wanted: Callable[[], None],
    held: Callable[[], None] | None = None,
) -> WishOutcome:
    """Wait until a claim holds one of these outputs, or never will.

    `held` is called in the moment in which it does: before whoever waits is told, what
    is held could be recalled from it.
    """
    future: asyncio.Future[WishOutcome] = asyncio.get_running_loop().create_future()

    def answered(answer: Answer, place: BudgetPlace | None) -> None:
        if answer is Answer.HELD and held is not None:
            held()
        if not future.done():
            future.set_result(WishOutcome(answer, place))

    wish = Wish(claim, prompt_tokens, outputs, is_extension, until_us, answered)
    book.wish(wish, now_us=now_us())
    if not future.done():
        wanted()
    try:
        # Patience ends also while the database takes its time to answer.
        while not future.done():
            left_s = (until_us - now_us()) / 1_000_000
            await asyncio.wait((future,), timeout=max(left_s, LATE_EACH_S))
            if not future.done():
                book.lapse(wish, now_us=now_us())
        return future.result()
    finally:
        book.withdraw(wish, now_us=now_us())
