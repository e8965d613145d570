"""Limits of one process alone, exact and in memory, on the boot clock.

For an installation that is one gateway process, and for each process while the store
that they share is away.

Failure: none; a process that ends takes its counts and slots with it. Owns: the level
of every flow that is not idle. Each new one looks at two of the oldest and drops what
has drained, so that no more are kept than are in use.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

from inference.limiting.gcra import drained, passes, rescaled, verdict
from inference.limiting.limiter import (
    Charge,
    Rule,
    Taken,
    Unit,
    Verdict,
    corrections,
    reversals,
    slot_keys,
)
from inference.limiting.metrics import LimiterMetrics
from inference.limiting.slots import SlotBook
from kit.clock import boot_us

LOOKED_AT = 2


class _Flow:
    """The level of a flow at an instant, under the limit that then held."""

    __slots__ = ("at_us", "level", "limit")

    def __init__(self, level: int, at_us: int, limit: int) -> None:
        self.level, self.at_us, self.limit = level, at_us, limit


class MemoryLimiter:
    """A `RateLimiter` in this process's memory."""

    def __init__(
        self,
        *,
        slots: SlotBook | None = None,
        metrics: LimiterMetrics | None = None,
        clock: Callable[[], int] = boot_us,
    ) -> None:
        self.metrics = metrics or LimiterMetrics()
        self._clock = clock
        self._slots = SlotBook(clock=clock) if slots is None else slots
        self._flows: OrderedDict[tuple[str, int], _Flow] = OrderedDict()

    def __len__(self) -> int:
        """Return how many flows are kept."""
        return len(self._flows)

    def try_take(
        self, rules: tuple[Rule, ...], *, input_tokens: int, output_tokens: int
    ) -> Taken | None:
        """Return None: nothing is taken ahead where nobody has to be asked."""
        del rules, input_tokens, output_tokens
        return None

    async def take(self, request_id: UUID, charges: Sequence[Charge]) -> Verdict:
        """Take all charges, or none of them."""
        return self.take_now(request_id, charges)

    def take_now(self, request_id: UUID, charges: Sequence[Charge]) -> Verdict:
        """Take without a turn of the event loop."""
        now = self._clock()
        levels = [self._level(charge.rule, now) for charge in charges]
        allowed = all(map(passes, charges, levels))
        if allowed:
            self.metrics.allowed += 1
            for number, charge in enumerate(charges):
                rule = charge.rule
                if rule.is_flow:
                    levels[number] += charge.taken * rule.window_us
                    self._keep(rule, levels[number], now)
                else:
                    levels[number] += 1
            self._slots.add(request_id, slot_keys(charges))
        else:
            self.metrics.refused += 1
        return verdict(tuple(charges), levels, allowed=allowed)

    def settle(
        self, request_id: UUID, charges: Sequence[Charge], used: Mapping[Unit, int]
    ) -> None:
        """Put the flows right by what was really used, and end the slots."""
        self._slots.end(request_id)
        self._correct(corrections(charges, used))

    def release(self, request_id: UUID, charges: Sequence[Charge]) -> None:
        """End the slots."""
        del charges
        self._slots.end(request_id)

    def give_back(self, request_id: UUID, charges: Sequence[Charge]) -> None:
        """Undo a take."""
        self._slots.end(request_id)
        self._correct(reversals(charges))

    def renew(self, running: Iterable[UUID]) -> None:
        """Hold the slots of these requests for longer."""
        self._slots.renew(running)

    async def close(self) -> None:
        """Hold nothing open."""

    def _correct(self, wrong: list[tuple[Rule, int]]) -> None:
        now = self._clock()
        for rule, delta in wrong:
            level = self._level(rule, now) + delta * rule.window_us
            self._keep(rule, max(0, level), now)

    def _level(self, rule: Rule, now_us: int) -> int:
        if not rule.is_flow:
            return self._slots.count(rule.key)
        flow = self._flows.get((rule.key, rule.window_us))
        if flow is None or not rule.limit:
            return 0
        level = drained(flow.level, limit=flow.limit, elapsed_us=now_us - flow.at_us)
        return rescaled(
            level, before=flow.limit, after=rule.limit, window_us=rule.window_us
        )

    def _keep(self, rule: Rule, level: int, now_us: int) -> None:
        place = (rule.key, rule.window_us)
        flow = self._flows.get(place)
        if flow is not None:
            flow.level, flow.at_us, flow.limit = level, now_us, rule.limit
            return
        self._drop_idle(now_us)
        self._flows[place] = _Flow(level, now_us, rule.limit)

    def _drop_idle(self, now_us: int) -> None:
        for _ in range(min(LOOKED_AT, len(self._flows))):
            place, flow = self._flows.popitem(last=False)
            if drained(flow.level, limit=flow.limit, elapsed_us=now_us - flow.at_us):
                self._flows[place] = flow
