"""Takes ahead of rules that are asked often, so that most requests wait for nobody.

Far from the edge of its limits a request passes by what an earlier one took beside
its own (`stock.py`): at once, in memory. The next that finds too little asks the store,
and takes ahead anew in the same step. The store grants that only while half of every
rule is free afterwards, so near the edge each request asks for itself, as ever.

Corrections are told within `TICK_S`, in one command for a set of rules, and before the
next take from it. What is unused goes back within `LIFE_US`, and at `close`.

Failure: `StoreAwayError` for whoever has to ask; what is here is used while it lasts.
What cannot be given back lapses as after a death: flows drain, slots end with their
lease. Owns: the stocks of this process, and the timer that looks after them.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID, uuid4

from inference.limiting.connection import TICKS
from inference.limiting.limiter import Charge, Rule, Taken, Unit, Verdict
from inference.limiting.stock import LIFE_US, PERIOD_US, Place, Stock, may_stock
from inference.limiting.valkey import Ahead, ValkeyLimiter
from kit.clock import boot_us

TICK_S = 0.01
_TICK_US = 10_000


class AheadLimiter:
    """A `RateLimiter` in a store that takes ahead; see `ValkeyLimiter`."""

    def __init__(
        self, store: ValkeyLimiter, *, clock: Callable[[], int] = boot_us
    ) -> None:
        self.metrics, self.slots = store.metrics, store.slots
        self._store = store
        # What was taken goes on draining while the machine sleeps.
        self._clock = clock
        self._loop = store.client.loop
        # Sets of rules that were asked for once, or more often, since the last sweep.
        self._once: set[tuple[Rule, ...]] = set()
        self._stocks: dict[tuple[Rule, ...], Stock] = {}
        # Those that hold something.
        self._live: set[Stock] = set()
        # By the identity of a tuple, which is kept so that no other takes it over.
        self._known: dict[int, tuple[tuple[Rule, ...], Stock]] = {}
        # How much is ahead of each rule, over all stocks.
        self._stocked: dict[Place, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._swept_us = clock()

    def try_take(
        self, rules: tuple[Rule, ...], *, input_tokens: int, output_tokens: int
    ) -> Taken | None:
        """Let a request pass by what was taken ahead; None: ask the store."""
        known = self._known.get(id(rules))
        if known is None:
            stock = self._stocks.get(rules) if self._stocks else None
            if stock is None:
                return None
            self._known[id(rules)] = (rules, stock)
        else:
            stock = known[1]
        total = input_tokens + output_tokens
        passed = stock.take((1, total, input_tokens, output_tokens), self._clock())
        if passed is not None:
            self.metrics.allowed += 1
            self.metrics.ahead += 1
        return passed

    async def take(self, request_id: UUID, charges: Sequence[Charge]) -> Verdict:
        """Take all charges, or none of them; and more ahead, where it is worth it."""
        rules = tuple(each.rule for each in charges)
        if not rules or not may_stock(rules):
            return await self._store.take(request_id, charges)
        now_us = self._clock()
        stock = self._stock_of(rules, now_us)
        if stock is not None:
            stock.note(charges, now_us)
            if not stock.is_asking:
                sizes = stock.wanted(charges, self._stocked, now_us)
                if sizes is not None:
                    return await self._refill(stock, request_id, charges, sizes)
        return await self._store.take(request_id, charges)

    def settle(
        self, request_id: UUID, charges: Sequence[Charge], used: Mapping[Unit, int]
    ) -> None:
        """Put right what was taken by `take`, and end the slots."""
        self._store.settle(request_id, charges, used)

    def release(self, request_id: UUID, charges: Sequence[Charge]) -> None:
        """End the slots."""
        self._store.release(request_id, charges)

    def give_back(self, request_id: UUID, charges: Sequence[Charge]) -> None:
        """Undo a take."""
        self._store.give_back(request_id, charges)

    def renew(self, running: Iterable[UUID]) -> None:
        """Hold the slots of these requests for longer, and those of all stocks."""
        self._store.renew(running)

    def restore(self) -> None:
        """Tell the store of all slots that are held here."""
        self._store.restore()

    async def probe(self, *, ticks: int = TICKS) -> None:
        """Find out whether the store counts; see `ValkeyLimiter.probe`."""
        await self._store.probe(ticks=ticks)

    async def close(self) -> None:
        """Give everything back and close the connection."""
        if self._timer is not None:
            self._timer.cancel()
        now_us = self._clock()
        for stock in tuple(self._live):
            self._retire(stock, now_us)
        self._sweep(now_us)
        await self._store.close()

    def _stock_of(self, rules: tuple[Rule, ...], now_us: int) -> Stock | None:
        """Return the stock of these rules; None at their first request for a while."""
        stock = self._stocks.get(rules)
        if stock is None and rules in self._once:
            stock = self._stocks[rules] = Stock(rules, now_us=now_us, tell=self._tell)
        elif stock is None:
            self._once.add(rules)
            self._look_again()
        return stock

    async def _refill(
        self,
        stock: Stock,
        request_id: UUID,
        charges: Sequence[Charge],
        sizes: tuple[int, ...],
    ) -> Verdict:
        """Take for a request and ahead, in one step; what was left goes back before."""
        # The store takes it no earlier; its answer may be read much later.
        began_us = self._clock()
        stock.drain(began_us)
        self._tell(stock)
        self._book(stock, sizes)
        ahead = _ahead(stock)
        stock.is_asking, is_more = True, False
        try:
            found, is_more = await self._store.take_ahead(request_id, charges, ahead)
        finally:
            stock.is_asking = False
            now_us = self._clock()
            if not is_more:
                stock.not_before_us = now_us + PERIOD_US
                self._retire(stock, now_us)
        if is_more:
            stock.fill(found.standings, ahead.ids, now_us, since_us=began_us)
            self.slots.keep(ahead.ids)
            if not self._live and self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._live.add(stock)
            self._look_again()
        return found

    def _book(self, stock: Stock, sizes: Sequence[int]) -> None:
        """Count so much as ahead of each rule, instead of what was."""
        for part, size in zip(stock.parts, sizes, strict=True):
            others = self._stocked.get(part.place, 0) - part.granted
            part.granted = size
            if others + size:
                self._stocked[part.place] = others + size
            else:
                self._stocked.pop(part.place, None)

    def _retire(self, stock: Stock, now_us: int) -> None:
        stock.retire(now_us)
        self._live.discard(stock)
        self._book(stock, (0,) * len(stock.parts))
        self._tell(stock)

    def _tell(self, stock: Stock) -> None:
        ended, wrong = stock.owed()
        if ended or wrong:
            self._store.change(ended, stock.slot_rules if ended else (), wrong)

    def _tick(self) -> None:
        """Tell what is owed, give back what is old, forget who asks no more."""
        now_us = self._clock()
        for stock in tuple(self._live):
            if now_us - stock.filled_us < LIFE_US - _TICK_US or stock.is_asking:
                self._tell(stock)
            else:
                self._retire(stock, now_us)
        if now_us - self._swept_us >= LIFE_US:
            self._sweep(now_us)
        self._timer = None
        self._look_again()

    def _look_again(self) -> None:
        if self._timer is None and (self._live or self._stocks or self._once):
            after_s = TICK_S if self._live else LIFE_US / 1_000_000
            self._timer = self._loop.call_later(after_s, self._tick)

    def _sweep(self, now_us: int) -> None:
        self._swept_us = now_us
        self._once.clear()
        self._known.clear()
        for rules, stock in tuple(self._stocks.items()):
            is_used = stock.is_live or stock.is_asking
            if not is_used and now_us - stock.asked_us >= LIFE_US:
                del self._stocks[rules]


def _ahead(stock: Stock) -> Ahead:
    """Return what to ask for, so that a stock is filled up to its sizes."""
    amounts: list[int] = []
    lacking = 0
    for part in stock.parts:
        if part.window_us:
            amounts.append(part.granted)
        else:
            lacking = max(0, part.granted - len(stock.free))
            amounts.append(lacking)
    return Ahead(tuple(amounts), tuple(uuid4() for _ in range(lacking)))
