"""What a process has taken ahead of one set of rules, and the requests it lets pass.

Whoever asks often takes more than one request needs: so many requests and tokens of
each flow, and slots under ids of their own. All of it counts as used where the rules
are kept, so that whoever passes by it passes within the limit, whoever else asks. It is
good for `LIFE_US`, for the flow it was taken from drains meanwhile, and then goes back.

As much is taken as was used in about the last `PERIOD_US`, and at most 1/64 of a limit.
What requests really used is summed up, and told together.

Failure: none; nothing here is lost but with its process. Pure, but for `tell`. Owns:
what is left of each rule, and what is owed to where the rules are kept.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from inference.limiting.headers import FLOW_NAMES, duration
from inference.limiting.limiter import Charge, Rule, Standing, Unit
from kit.contracts import TokenCounts

LIFE_US = 100_000
PERIOD_US = 75_000
# Of a limit, for all that a process has taken ahead of it; less than two are none. A
# window of which `LIFE_US` is more than that could be felt to let more pass.
PART = 64
LIMIT_MIN = 2 * PART
WINDOW_US_MIN = PART * LIFE_US
# Whoever asks less often in a period is not helped by it.
ASKED_MIN = 4
# What a script in the store is given to do at once.
SLOTS_MAX = 256

_KINDS = {
    Unit.REQUESTS: 0,
    Unit.CONCURRENT_REQUESTS: 0,
    Unit.TOKENS: 1,
    Unit.INPUT_TOKENS: 2,
    Unit.OUTPUT_TOKENS: 3,
}
# What one request takes or used, by the numbers of `_KINDS`.
Amounts = tuple[int, int, int, int]
# Rules that share a count, whatever their limits.
Place = tuple[str, int]


def may_stock(rules: Sequence[Rule]) -> bool:
    """Tell whether something may be taken ahead of all of these."""
    return all(
        rule.limit >= LIMIT_MIN
        and (not rule.window_us or rule.window_us >= WINDOW_US_MIN)
        for rule in rules
    )


class Part:
    """One rule of a stock. A rule of slots has no `left`: its ids are the stock's."""

    __slots__ = (
        "counted",
        "granted",
        "kind",
        "left",
        "level",
        "limit",
        "limit_said",
        "owed",
        "place",
        "recent",
        "rule",
        "use",
        "window_us",
    )

    def __init__(self, rule: Rule) -> None:
        self.rule, self.kind = rule, _KINDS[rule.unit]
        self.limit, self.window_us = rule.limit, rule.window_us
        self.limit_said = str(rule.limit)
        self.place: Place = (rule.key, rule.window_us)
        # What was taken ahead, what of that is left, and was when use was last counted.
        self.granted = self.left = self.counted = 0
        # By how much less was taken than is to be.
        self.owed = 0
        # As in `gcra`, at the last take.
        self.level = 0
        # Used in this period, and in one like the last.
        self.use = self.recent = 0


class _Told(NamedTuple):
    """The headers for a unit, and the flows that they may tell of."""

    limit: str
    remaining: str
    reset: str
    flows: tuple[Part, ...]


class Stock:
    """What is there of one set of rules; the same for all who are held to these.

    `tell` is called when something is owed, and nobody comes by soon to fetch it.
    """

    def __init__(
        self, rules: tuple[Rule, ...], *, now_us: int, tell: Callable[["Stock"], None]
    ) -> None:
        self.rules = rules
        self.parts = tuple(map(Part, rules))
        self.flows = tuple(part for part in self.parts if part.window_us)
        self.slot_rules = tuple(rule for rule in rules if not rule.is_flow)
        self.tell = tell
        # Whether it was filled and has not been emptied; and since when that was taken.
        self.is_live = False
        self.filled_us = self.asked_us = self._level_us = now_us
        # Who holds slots that are free here, how many may, and who holds none any more.
        self.free: list[UUID] = []
        self.size = 0
        self.ended: list[UUID] = []
        # Whether somebody is asking for more, and when not to ask for any.
        self.is_asking = False
        self.not_before_us = now_us
        self._passes = 0
        self._use = self._recent = 0
        self._period_us = now_us
        self._told = tuple(
            _Told(limit, remaining, reset, flows)
            for unit, limit, remaining, reset in FLOW_NAMES
            if (flows := tuple(each for each in self.flows if each.rule.unit is unit))
        )

    def take(self, amounts: Amounts, now_us: int) -> "Passed | None":
        """Let a request pass, if all that it takes is here."""
        if not self.is_live or now_us - self.filled_us >= LIFE_US:
            return None
        if self.slot_rules and not self.free:
            return None
        for flow in self.flows:
            if amounts[flow.kind] > flow.left:
                return None
        elapsed_us, self._level_us = now_us - self._level_us, now_us
        for flow in self.flows:
            amount = amounts[flow.kind]
            flow.left -= amount
            level = flow.level - flow.limit * elapsed_us
            flow.level = (level if level > 0 else 0) + amount * flow.window_us
        self._passes += 1
        slot = self.free.pop() if self.slot_rules else None
        return Passed(self, amounts, slot, self._headers())

    def note(self, charges: Sequence[Charge], now_us: int) -> None:
        """Count the use of a request that did not pass by this stock."""
        self.asked_us = now_us
        self._use += 1
        for part, charge in zip(self.parts, charges, strict=True):
            part.use += charge.taken

    def wanted(
        self, charges: Sequence[Charge], stocked: Mapping[Place, int], now_us: int
    ) -> tuple[int, ...] | None:
        """Return how much to take ahead of each rule; None: nothing.

        `stocked` says how much of each this process has ahead in all, this included.
        """
        self._count(now_us)
        if now_us < self.not_before_us or max(self._use, self._recent) < ASKED_MIN:
            return None
        sizes: list[int] = []
        slots = SLOTS_MAX
        for part, charge in zip(self.parts, charges, strict=True):
            elsewhere = stocked.get(part.place, 0) - part.granted
            size = min(max(part.use, part.recent), part.limit // PART - elsewhere)
            if size < charge.taken:
                return None
            sizes.append(size)
            if not part.window_us:
                slots = min(slots, size)
        # One id holds a slot of each rule of slots.
        return tuple(
            size if part.window_us else slots
            for part, size in zip(self.parts, sizes, strict=True)
        )

    def fill(
        self,
        standings: Sequence[Standing],
        ids: Sequence[UUID],
        now_us: int,
        *,
        since_us: int,
    ) -> None:
        """Put in what was granted, and how the rules stand without it.

        It may have been taken as early as `since_us`, and drains from then on.
        """
        self.is_live, self.filled_us, self._level_us = True, since_us, now_us
        for part, standing in zip(self.parts, standings, strict=True):
            # Both are rounded, each its own way, and neither is too little.
            used = part.limit - standing.remaining
            part.level = min(used * part.window_us, standing.reset_us * part.limit)
            if part.window_us:
                part.left = part.counted = part.granted
            else:
                self.size = part.granted
        self.free += ids
        while len(self.free) > self.size:
            self.ended.append(self.free.pop())

    def drain(self, now_us: int) -> None:
        """Owe back what is left of the flows.

        Where this process was held up, some has drained beyond its life: that is what
        others may have used since, and it does not go back.
        """
        self._count(now_us)
        beyond_us = max(0, now_us - self.filled_us - LIFE_US)
        for flow in self.flows:
            drained = flow.limit * beyond_us // flow.window_us
            flow.owed -= max(0, flow.left - drained)
            flow.left = flow.counted = 0

    def retire(self, now_us: int) -> None:
        """Owe back all that is left, and keep nothing from now on."""
        self.drain(now_us)
        self.is_live, self.size, self.asked_us = False, 0, now_us
        self.ended += self.free
        self.free = []

    def owed(self) -> tuple[list[UUID], list[tuple[Rule, int]]]:
        """Return what has to be told, and take it for told: slots that ended, flows."""
        ended, self.ended = self.ended, []
        wrong: list[tuple[Rule, int]] = []
        for flow in self.flows:
            if flow.owed:
                wrong.append((flow.rule, flow.owed))
                flow.owed = 0
        return ended, wrong

    def _headers(self) -> dict[str, str]:
        """Return what `limit_headers` says after a take, by what is known here."""
        said: dict[str, str] = {}
        for told in self._told:
            tightest, limit_said = (0, 0), ""
            for flow in told.flows:
                limit, window, level = flow.limit, flow.window_us, flow.level
                room = ((limit * window - level) // window, level // -limit)
                if not limit_said or room < tightest:
                    tightest, limit_said = room, flow.limit_said
            said[told.limit] = limit_said
            said[told.remaining] = str(max(0, tightest[0]))
            said[told.reset] = duration(-tightest[1])
        return said

    def _count(self, now_us: int) -> None:
        """Count what passed by this stock as used, and begin another period in time."""
        self._use += self._passes
        for part in self.parts:
            if part.window_us:
                part.use += part.counted - part.left
                part.counted = part.left
            else:
                part.use += self._passes
        self._passes = 0
        lasted_us = now_us - self._period_us
        if lasted_us < PERIOD_US:
            return
        self._period_us = now_us
        self._recent, self._use = self._use * PERIOD_US // lasted_us, 0
        for part in self.parts:
            part.recent, part.use = part.use * PERIOD_US // lasted_us, 0


class Passed:
    """A request that passed by a stock; see `Taken`."""

    __slots__ = ("_amounts", "_slot", "_stock", "headers")

    def __init__(
        self,
        stock: Stock,
        amounts: Amounts,
        slot: UUID | None,
        headers: Mapping[str, str],
    ) -> None:
        self._stock, self._amounts, self._slot = stock, amounts, slot
        self.headers = headers

    def settle(self, counts: TokenCounts) -> None:
        """Put the tokens right, and end the slots."""
        prompt, output = (
            counts.input_tokens + counts.cached_input_tokens,
            counts.output_tokens,
        )
        self._correct((1, prompt + output, prompt, output))

    def release(self) -> None:
        """End the slots: they are free for the next request, or given back."""
        stock, slot = self._stock, self._slot
        if slot is None:
            return
        self._slot = None
        if stock.is_live and len(stock.free) < stock.size:
            stock.free.append(slot)
            return
        stock.ended.append(slot)
        if not stock.is_live:
            stock.tell(stock)

    def give_back(self) -> None:
        """Undo all of it."""
        self._correct((0, 0, 0, 0))

    def _correct(self, used: Amounts) -> None:
        stock, taken = self._stock, self._amounts
        for flow in stock.flows:
            wrong = used[flow.kind] - taken[flow.kind]
            if wrong:
                flow.owed += wrong
                flow.level += wrong * flow.window_us
        self.release()
        if not stock.is_live:
            stock.tell(stock)
