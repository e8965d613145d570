"""What this process may use of each budget's window, and who in it has a hold on that.

Pure bookkeeping: no clock, no database, no event loop. Instants are given, wishes are
answered by a callback. A lease's `amount` was granted, and is neither settled nor given
back; of it `held` belongs to open requests and the rest is free. What cannot be had at
once waits as a wish, in the order of `metering.intake.wishes`. Between two calls nobody
waits who could be served, so that only what changes since needs to be looked at.

Failure: what the database has beyond what is known here goes back; that it has less is
believed once it said so twice while nothing was under way. Owns: leases, holds, wishes.
"""

import enum
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from kit.contracts import BudgetPlace, TokenCounts
from metering.intake.amounts import amount_of
from metering.intake.claims import Answer, Claim, Lease, Standing, Wish
from metering.intake.wishes import Line, Wishes

# A lease that was not used for this long goes back.
IDLE_US = 3_000_000
# A lease that holds nothing is forgotten after this long.
FORGOTTEN_US = 60_000_000


class _Tried(enum.Enum):
    """What came of trying to serve a wish; freed: it held more of some lease before."""

    LACKING = enum.auto()
    HELD = enum.auto()
    FREED = enum.auto()


@dataclass(slots=True)
class LeaseBook:
    """All leases, claims and wishes of one process."""

    leases: dict[int, Lease] = field(default_factory=dict)
    claims: set[Claim] = field(default_factory=set)
    wishes: Wishes = field(default_factory=Wishes)

    def lease(self, window_id: int, place: BudgetPlace) -> Lease:
        """Return the lease of a window; it may still be empty."""
        lease = self.leases.get(window_id)
        if lease is None:
            lease = self.leases[window_id] = Lease(window_id, place)
        return lease

    def open(self, claim: Claim) -> None:
        """Take in a claim, which `settle` or `release` ends."""
        self.claims.add(claim)
        for part in claim.parts:
            part.lease.claims.add(claim)

    def change(
        self, claim: Claim, prompt_tokens: int, output_tokens: int, *, now_us: int
    ) -> bool:
        """Make a claim hold this much, if all of it is free and nobody waits for it."""
        needs = [claim.need(part, prompt_tokens, output_tokens) for part in claim.parts]
        for part, need in zip(claim.parts, needs, strict=True):
            if not part.lease.gives(need - part.held):
                return False
        if self._hold(claim, prompt_tokens, output_tokens, needs, now_us=now_us):
            self._freed(claim, now_us=now_us)
        return True

    def wish(self, wish: Wish, *, now_us: int) -> None:
        """Wait for more; the answer may come before this returns."""
        line = self.wishes.add(wish)
        if line.wishes[-1] is not wish:
            self._serve(line, now_us=now_us)
            return
        tried = self._try(wish, now_us=now_us)
        if tried is _Tried.LACKING:
            line.stand(wish)
        elif tried is _Tried.FREED:
            self._freed(wish.claim, now_us=now_us)

    def withdraw(self, wish: Wish, *, now_us: int) -> None:
        """Take back a wish that nobody waits for any more."""
        if wish.is_waiting and self.wishes.take_off(wish):
            self._freed(wish.claim, now_us=now_us)

    def lapse(self, wish: Wish, *, now_us: int) -> None:
        """End the patience of a wish, if it is over."""
        is_late = wish.is_waiting and wish.until_us <= now_us
        if is_late and self._answer(wish, Answer.LATE, wish.place):
            self._freed(wish.claim, now_us=now_us)

    def settle(
        self, claim: Claim, counts: TokenCounts, *, now_us: int
    ) -> dict[int, int]:
        """End a claim with what is billed; return what of each lease that uses up.

        It stays with the lease as `settling` until `settled` or `not_settled` says what
        became of it.
        """
        uses: dict[int, int] = {}
        for part in claim.parts:
            lease = part.lease
            amount = amount_of(lease.place, claim.price, counts)
            lease.held -= part.held
            lease.used -= part.used
            lease.amount -= amount
            lease.settling += amount
            lease.claims.discard(claim)
            part.held = part.used = 0
            uses[lease.window_id] = uses.get(lease.window_id, 0) + amount
        self.claims.discard(claim)
        self._freed(claim, now_us=now_us)
        return uses

    def release(self, claim: Claim, *, now_us: int) -> None:
        """End a claim of which nothing was used."""
        for part in claim.parts:
            part.lease.held -= part.held
            part.lease.used -= part.used
            part.lease.claims.discard(claim)
            part.held = part.used = 0
        self.claims.discard(claim)
        self._freed(claim, now_us=now_us)

    def settled(self, uses: dict[int, int]) -> None:
        """Note that the database has taken these amounts off its leases."""
        for window_id, amount in uses.items():
            if (lease := self.leases.get(window_id)) is not None:
                lease.settling -= amount
                lease.is_moving = True

    def not_settled(self, uses: dict[int, int]) -> None:
        """Note that the database has kept these amounts in its leases."""
        self.settled(uses)
        for window_id, amount in uses.items():
            if (lease := self.leases.get(window_id)) is not None:
                lease.amount += amount

    def measure(self) -> None:
        """Find out what open requests have used by now."""
        for claim in self.claims:
            if claim.measured is claim.counts:
                continue
            claim.measured = claim.counts
            for part in claim.parts:
                used = claim.used(part)
                part.lease.used += used - part.used
                part.used = used

    def needs(self, *, now_us: int) -> dict[int, tuple[int, int]]:
        """Return what to ask of each window: at least, for the first wish, and most."""
        wants: Counter[Lease] = Counter()
        yielding: set[Lease] = set()
        for line in self.wishes.lines:
            if line.yields_until_us > now_us:
                yielding |= line.leases
                continue
            for wish in line.wishes:
                for part in wish.claim.parts:
                    wants[part.lease] += max(wish.more(part, wish.outputs[0]), 0)
        asked: dict[int, tuple[int, int]] = {}
        for lease in self.leases.values():
            if lease in yielding:
                continue
            least = lease.least
            want = max(wants[lease] + lease.target - lease.free, least)
            # Little by little would be a question for each request.
            is_low = lease.free < 0 or lease.free < lease.target // 2
            if least or (want > 0 and (is_low or wants[lease] > lease.free)):
                asked[lease.window_id] = least, want
        return asked

    def granted(self, standings: dict[int, Standing], *, now_us: int) -> None:
        """Take in grants; answer the wishes that they serve, or that have no hope."""
        for window_id, standing in standings.items():
            lease = self.leases[window_id]
            lease.amount += standing.granted
            lease.until_us = standing.until_us
            lease.is_moving = True
        self.serve(now_us=now_us)
        if self.wishes:
            self.measure()
        for wish in list(self.wishes):
            place = wish.spent_at(standings)
            if place is not None:
                self._answer(wish, Answer.SPENT, place)
        self.serve(now_us=now_us)

    def serve(self, *, now_us: int) -> None:
        """Answer the wishes that what is free serves, in their order."""
        for line in self.wishes.lines:
            self._serve(line, now_us=now_us)

    def recall(self, window_id: int, *, recalled_us: int, now_us: int) -> bool:
        """Take back what open streams of a window hold ahead of what they have.

        False when this recall was heard of before. The next look gives back all that is
        free then.
        """
        lease = self.leases.get(window_id)
        if lease is None or recalled_us <= lease.recalled_us:
            return False
        lease.recalled_us = recalled_us
        lease.burn = 0.0
        for claim in list(lease.claims):
            if claim.is_shrinkable and claim.is_exact:
                self._shrink(claim, now_us=now_us)
        lease.used_at_us = 0
        lease.is_recalled = True
        return True

    def expire(self, *, now_us: int) -> None:
        """Recall what was granted under a limit that may have changed by itself."""
        for lease in list(self.leases.values()):
            until_us = lease.until_us
            if until_us is not None and until_us <= now_us:
                lease.until_us = None
                self.recall(lease.window_id, recalled_us=until_us, now_us=now_us)

    def look(self, seconds: float, *, now_us: int, yield_us: int = 0) -> dict[int, int]:
        """Judge the use since the last look; return what to give back of each lease.

        Who waits for some of that lets others ask first: for `yield_us` from now.
        """
        back: dict[int, int] = {}
        for lease in list(self.leases.values()):
            if lease.used_at_us > now_us:
                continue
            rate = lease.taken / seconds
            # It follows a rise at once, and a fall within a few looks.
            lease.burn = max(rate, 0.7 * lease.burn + 0.3 * rate)
            lease.taken = 0
            # Two processes might each wait for what the other keeps: what is recalled
            # goes back all the same, and is asked for as a whole.
            if lease.waiting and not lease.is_recalled:
                continue
            lease.is_recalled = False
            idle_us = now_us - lease.used_at_us
            if idle_us > IDLE_US:
                lease.burn = 0.0
            spare = lease.free - 4 * lease.target if lease.burn else lease.free
            if lease.free > 0 and spare > 0 and (idle_us > IDLE_US or lease.burn):
                back[lease.window_id] = spare
                line = self.wishes.line(lease.place.tenant_id)
                if line is not None and lease.waiting:
                    line.yields_until_us = now_us + yield_us
                lease.amount -= spare
                lease.is_moving = True
            elif idle_us > FORGOTTEN_US and not (
                lease.amount or lease.claims or lease.settling or lease.is_moving
            ):
                del self.leases[lease.window_id]
        return back

    def known(self) -> dict[int, int]:
        """Return what the database should have as each lease, or more than it has.

        Less, once a commit was made that is not known of here.
        """
        return {
            window_id: lease.amount + lease.settling
            for window_id, lease in self.leases.items()
        }

    def compare(self, window_id: int, amount: int, *, known: int) -> int:
        """Hold the database's amount against what was known when it was asked.

        Return what to give back: an answer that got lost may have granted it.
        """
        lease = self.leases.get(window_id)
        if lease is None:
            return 0
        beyond = amount - known
        if beyond > 0:
            # There a lease ends at nothing, even if more of it was used.
            forgiven = min(beyond, max(-lease.amount, 0))
            lease.amount += forgiven
            lease.disagreed = 0
            return beyond - forgiven
        if beyond == 0 or lease.is_moving or lease.settling:
            lease.is_moving, lease.disagreed = False, 0
            return 0
        lease.disagreed += 1
        if lease.disagreed == 2:
            lease.disagreed = 0
            lease.amount += beyond
        return 0

    def give_up(self) -> None:
        """Admit nobody who waits: nothing can be asked of the database now.

        What runs already has longer patience than the database may need.
        """
        for wish in list(self.wishes):
            if not wish.is_extension:
                self._answer(wish, Answer.LATE, None)
        for line in self.wishes.lines:
            line.begin()
            for wish in line.wishes:
                line.stand(wish)

    def forget(self) -> None:
        """Note that every lease is gone: whoever closed the epoch gave them back."""
        for lease in self.leases.values():
            lease.amount = lease.settling = 0
            lease.is_moving = True

    def _freed(self, claim: Claim, *, now_us: int) -> None:
        """Serve who waits for what a claim has no more of."""
        if claim.parts and self.wishes:
            line = self.wishes.line(claim.parts[0].lease.place.tenant_id)
            if line is not None:
                self._serve(line, now_us=now_us)

    def _serve(self, line: Line, *, now_us: int) -> None:
        """Go through a line until nobody behind can be served."""
        # Served, a wish may free something that one before it waits for.
        while self._is_freed(line, now_us=now_us):
            pass

    def _is_freed(self, line: Line, *, now_us: int) -> bool:
        """Go through a line once; tell whether to do so again."""
        line.begin()
        for wish in list(line.wishes):
            tried = self._try(wish, now_us=now_us)
            if tried is _Tried.FREED:
                return True
            if tried is _Tried.HELD:
                continue
            if wish.until_us <= now_us:
                self._answer(wish, Answer.LATE, wish.place)
                continue
            line.stand(wish)
            if line.is_closed:
                break
        return False

    def _try(self, wish: Wish, *, now_us: int) -> _Tried:
        claim = wish.claim
        for part in claim.parts:
            if wish.lacks(part):
                return _Tried.LACKING
        output, needs = 0, list[int]()
        for output in wish.outputs:
            needs = [
                claim.need(part, wish.prompt_tokens, output) for part in claim.parts
            ]
            # As it gets scarce each gets a little, rather than one all of it.
            if output == wish.outputs[-1] or all(
                need <= part.held
                or need - part.held
                <= (part.lease.free - part.lease.reserved) // part.lease.waiting
                for part, need in zip(claim.parts, needs, strict=True)
            ):
                break
        is_freed = self._hold(claim, wish.prompt_tokens, output, needs, now_us=now_us)
        self._answer(wish, Answer.HELD, None)
        return _Tried.FREED if is_freed else _Tried.HELD

    def _hold(
        self,
        claim: Claim,
        prompt_tokens: int,
        output_tokens: int,
        needs: Sequence[int],
        *,
        now_us: int,
    ) -> bool:
        """Make a claim hold this much; tell whether it has less of some lease then."""
        is_freed = False
        for part, need in zip(claim.parts, needs, strict=True):
            more = need - part.held
            part.lease.held += more
            part.held = need
            if more > 0:
                part.lease.taken += more
                part.lease.used_at_us = now_us
            is_freed |= more < 0
        claim.prompt_tokens, claim.output_tokens = prompt_tokens, output_tokens
        return is_freed

    def _shrink(self, claim: Claim, *, now_us: int) -> None:
        output = claim.counts.output_tokens
        if output < claim.output_tokens:
            self.change(claim, claim.prompt_tokens, output, now_us=now_us)

    def _answer(self, wish: Wish, answer: Answer, place: BudgetPlace | None) -> bool:
        """Answer a wish; tell whether somebody may be served who was behind it."""
        was_head = self.wishes.take_off(wish)
        wish.answered(answer, place)
        return was_head
