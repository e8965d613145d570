"""Says whose turn it is: at once where nobody waits and a place is free, else in line.

Whoever waits is looked after by one sweep, which also finds replicas that are up again;
places that are freed are handed on at once. A place that comes to somebody who has left
goes to the next.

Failure: `EngineOverloaded` where a model has nobody to serve it, or too much to do;
`RateLimited` for whoever has too much in line. Owns: the lines of all pools.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from inference.routing.fleet import Failure, Fleet, Place, Standing
from inference.routing.snapshot import ReplicaEntry
from inference.scheduling import refusals
from inference.scheduling.accounts import Charge
from inference.scheduling.metrics import Moved, SchedulerMetrics, Unserved
from inference.scheduling.pool import Pool, Waiter
from inference.scheduling.shares import Sharing
from inference.scheduling.turns import Ask
from kit.errors import PlatformError

# How often those who wait are looked at: a deadline is late by that much at most.
SWEEP_S = 0.05


class RetryAllowance(Protocol):
    """Knows how much may be tried again."""

    def request(self, pool: str, now: float) -> None:
        """Learn that a request is served."""
        ...

    def take(self, pool: str, now: float) -> bool:
        """Tell whether one may be tried again, and count it."""
        ...


class RunningTurn:
    """A request's leave to run on a replica."""

    __slots__ = ("_ask", "_charge", "_is_unheard", "_pool", "_scheduler", "place")

    def __init__(
        self,
        place: Place,
        ask: Ask,
        charge: Charge,
        pool: Pool,
        scheduler: "FairScheduler",
    ) -> None:
        self.place = place
        self._ask = ask
        self._charge: Charge | None = charge
        self._pool = pool
        self._scheduler = scheduler
        # Whether no replica has had it yet: it cannot be what they died of.
        self._is_unheard = True

    @property
    def replica(self) -> ReplicaEntry:
        """Return where it may run."""
        return self.place.replica

    async def move(self, failure: Failure, *, retry_after_s: float = 0.0) -> bool:
        """Leave a replica that failed for another one; it is not charged again."""
        self.place.failed(failure, retry_after_s=retry_after_s)
        self._ask.tried.add(self.replica.id)
        self.place.free()
        self._is_unheard &= failure is Failure.UNREACHABLE
        place = await self._scheduler.another(
            self._pool, self._ask, is_unheard=self._is_unheard
        )
        if place is None:
            return False
        self.place = place
        return True

    def told(self, *, prompt_tokens: int, cached_tokens: int) -> None:
        """Pass on what the engine said of the prompt."""
        self.place.told(prompt_tokens=prompt_tokens, cached_tokens=cached_tokens)

    def free(self) -> None:
        """Free the place: the engine has said all."""
        self.place.free()

    def end(self, *, input_tokens: int, output_tokens: int) -> None:
        """Free the place, and put right what the tenant was charged."""
        charge, self._charge = self._charge, None
        if charge is not None:
            self._pool.queue.settle(
                charge, input_tokens=input_tokens, output_tokens=output_tokens
            )
        self.place.free()


class FairScheduler:
    """The lines of all pools; implements `Scheduler`."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        shares: Sharing,
        retries: RetryAllowance,
        metrics: SchedulerMetrics | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.metrics = metrics or SchedulerMetrics()
        self.pools: dict[str, Pool] = {}
        self._fleet = fleet
        self._shares = shares
        self._retries = retries
        self._clock = clock
        self._sweeping: asyncio.TimerHandle | None = None
        fleet.on_free = self.dispatch

    def try_turn(self, ask: Ask) -> RunningTurn | None:
        """Return a turn where none waits and a place is free."""
        pool = self.pools.get(ask.pool)
        if pool is None:
            pool = self._open(ask.pool)
        if pool.waiting or self._shares.is_wanted_elsewhere(pool.name):
            return None
        place = self._fleet.take(ask.route, ask.request_id, without=ask.tried)
        if place is None:
            return None
        return self._turn(pool, ask, place, pool.queue.charge(ask))

    async def turn(self, ask: Ask) -> RunningTurn:
        """Return a turn once it comes; see `Scheduler`."""
        pool = self.pools.get(ask.pool) or self._open(ask.pool)
        now_s = self._clock()
        serving = ask.serving
        wait_ms = serving.queue_ms
        if self._fleet.standing(ask.route.model) in (Standing.NONE, Standing.DOWN):
            wait_ms = serving.wake_ms
            if not wait_ms:
                pool.metrics.unserved[Unserved.NO_REPLICA] += 1
                raise refusals.no_replica(ask.route.model)
            ask.wakes_until_s = now_s + wait_ms / 1000
        if pool.queue.waiting >= serving.queue_max:
            self._make_room(pool, ask, now_s)
        waiter = pool.join(ask, now_s=now_s, wait_ms=wait_ms)
        await self._wait(pool, waiter)
        if waiter.place is None or waiter.charge is None:
            raise waiter.refusal or refusals.no_replica(ask.route.model)
        return self._turn(pool, ask, waiter.place, waiter.charge)

    async def another(
        self, pool: Pool, ask: Ask, *, is_unheard: bool = False
    ) -> Place | None:
        """Return a place on a replica that has not failed a request yet.

        None where there is none that is well, where too much is tried again already, or
        where no place is free in time. One that is `unheard` waits for any replica to
        come up where none has.
        """
        moves, now_s = pool.metrics.moves, self._clock()
        if self._has_other(ask):
            if not self._retries.take(pool.name, now_s):
                moves[Moved.BUDGET] += 1
                return None
            wait_ms = ask.serving.queue_ms
            waiter = pool.join_moving(ask, now_s=now_s, wait_ms=wait_ms)
            await self._wait(pool, waiter)
            if waiter.place is not None or self._has_other(ask):
                moves[Moved.DEADLINE if waiter.place is None else Moved.MOVED] += 1
                return waiter.place
        place = await self._woken(pool, ask) if is_unheard else None
        if place is None:
            moves[Moved.NOWHERE] += 1
        return place

    async def _woken(self, pool: Pool, ask: Ask) -> Place | None:
        """Return a place on any replica once one may be up; None where none is.

        Whoever waits tries those that are down by turns, no oftener than health allows:
        it is sent nowhere meanwhile, so that nothing counts as tried again.
        """
        now_s = self._clock()
        if not ask.wakes_until_s:
            ask.wakes_until_s = now_s + ask.serving.wake_ms / 1000
        if ask.wakes_until_s <= now_s:
            return None
        ask.tried.clear()
        waiter = pool.join_moving(
            ask, now_s=now_s, wait_ms=int((ask.wakes_until_s - now_s) * 1000)
        )
        waiter.is_waking = True
        await self._wait(pool, waiter)
        return waiter.place

    def dispatch(self, name: str) -> None:
        """Hand out the places of a pool that are free."""
        pool = self.pools.get(name)
        if pool is None:
            return
        if not pool.waiting:
            if self._shares.is_wanted_elsewhere(name):
                self._shares.want(name)
            return
        now_s = self._clock()
        self._dispatch_moving(pool, now_s)
        while (head := pool.head()) is not None:
            if not self._may_run(pool, head):
                return
            place = self._take(head.ask)
            if place is not None:
                pool.serve(head, place, now_s=now_s)
                self._shares.ran(name)
            elif self._fleet.standing(head.ask.route.model) is Standing.NONE:
                # Its model is gone, and must not hold up others of the pool.
                if not head.ask.serving.wake_ms or self._fleet.standing(name) not in (
                    Standing.NONE,
                    Standing.DOWN,
                ):
                    self._refuse(pool, head, Unserved.NO_REPLICA, now_s)
                    continue
                return
            else:
                return

    def _dispatch_moving(self, pool: Pool, now_s: float) -> None:
        is_any_up = True
        for waiter in pool.moving:
            if waiter.is_waking and not is_any_up:
                continue
            place = self._take(waiter.ask, is_moving=True)
            if place is not None:
                pool.serve(waiter, place, now_s=now_s)
                self._shares.ran(pool.name)
            elif waiter.is_waking:
                # What one of these cannot have no other one can.
                is_any_up = False

    def dispatch_all(self) -> None:
        """Hand out what is free anywhere: replicas or shares have changed."""
        for name in list(self.pools):
            self.dispatch(name)

    def _turn(self, pool: Pool, ask: Ask, place: Place, charge: Charge) -> RunningTurn:
        pool.metrics.turns += 1
        self._retries.request(pool.name, self._clock())
        return RunningTurn(place, ask, charge, pool, self)

    async def _wait(self, pool: Pool, waiter: Waiter) -> None:
        """Return once it is decided; one that is cancelled leaves nothing behind."""
        self.dispatch(pool.name)
        if waiter.is_decided:
            return
        self._shares.want(pool.name)
        self._keep_sweeping()
        try:
            await waiter.decided()
        except BaseException:
            pool.leave(waiter)
            if waiter.charge is not None:
                pool.queue.settle(waiter.charge)
            if waiter.place is not None:
                # Which hands it to the next.
                waiter.place.free()
            raise

    def _take(self, ask: Ask, *, is_moving: bool = False) -> Place | None:
        return self._fleet.take(
            ask.route, ask.request_id, without=ask.tried, strictly=is_moving
        )

    def _has_other(self, ask: Ask) -> bool:
        standing = self._fleet.standing(ask.route.model, without=ask.tried)
        return standing in (Standing.FREE, Standing.FULL)

    def _may_run(self, pool: Pool, head: Waiter) -> bool:
        """Tell whether a place may be used here, though others wait elsewhere."""
        if head.ticket is None or not self._shares.is_wanted_elsewhere(pool.name):
            return True
        ask, queue = head.ask, pool.queue
        return self._shares.may_run(
            pool.name,
            queue.rank(head.ticket),
            slack=queue.slack(ask.priority),
            places=self._fleet.places(ask.route.model),
        )

    def _make_room(self, pool: Pool, ask: Ask, now_s: float) -> None:
        """Refuse whoever has most in line for its weight.

        That is a request that waits already, or the one that has come: then it raises.
        """
        # Where nobody may wait, others of the pool do not make room for it.
        over = pool.queue.over() if ask.serving.queue_max else None
        own = pool.queue.in_line(ask)
        if over is not None and over.ask.priority <= ask.priority:
            least = over.ask.priority < ask.priority
            theirs = len(over.account.line) / over.account.weight
            if least or (own + 1) / max(1, ask.weight) < theirs:
                self._refuse(pool, pool.of(over), Unserved.TENANT_SHARE, now_s)
                return
        why = Unserved.TENANT_SHARE if own else Unserved.QUEUE_FULL
        pool.metrics.unserved[why] += 1
        raise _refusal(pool, ask, why, now_s)

    def _refuse(self, pool: Pool, waiter: Waiter, why: Unserved, now_s: float) -> None:
        pool.leave(waiter)
        if waiter.ticket is not None:
            pool.metrics.unserved[why] += 1
        waiter.refuse(_refusal(pool, waiter.ask, why, now_s))

    def _open(self, name: str) -> Pool:
        of = self.metrics.of(name)
        pool = Pool(name, of, is_exchanged=self._shares.is_exchanged)
        self.pools[name] = pool
        self._shares.want(name)
        return pool

    def _keep_sweeping(self) -> None:
        if self._sweeping is None:
            loop = asyncio.get_running_loop()
            self._sweeping = loop.call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        now_s = self._clock()
        for pool in list(self.pools.values()):
            if not pool.waiting:
                continue
            self.dispatch(pool.name)
            for waiter in pool.moving:
                if not waiter.is_waking and not self._has_other(waiter.ask):
                    self._refuse(pool, waiter, Unserved.NO_REPLICA, now_s)
            for waiter in pool.overdue(now_s):
                standing = self._fleet.standing(waiter.ask.route.model)
                is_down = standing in (Standing.NONE, Standing.DOWN)
                why = Unserved.NO_REPLICA if is_down else Unserved.DEADLINE
                self._refuse(pool, waiter, why, now_s)
            if pool.waiting:
                self._keep_sweeping()


def _refusal(pool: Pool, ask: Ask, why: Unserved, now_s: float) -> PlatformError:
    model = ask.route.model
    retry_s = pool.drained.retry_s(pool.waiting, now_s)
    if why is Unserved.NO_REPLICA:
        return refusals.no_replica(model)
    if why is Unserved.TENANT_SHARE:
        return refusals.tenant_has_too_many(model, retry_s=retry_s)
    if why is Unserved.QUEUE_FULL:
        return refusals.model_is_full(model, retry_s=retry_s)
    return refusals.turn_came_not(model, retry_s=retry_s)
