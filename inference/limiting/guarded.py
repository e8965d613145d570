"""Limits that hold although the store they are in may freeze, fail or be gone.

Each take has a deadline. After some failures in a row a breaker opens, and from then on
no request waits for the store: this process allows its share, the limit divided by the
number of gateway processes and at least one request, at once and in memory. Probes in
the background close the breaker when the store counts again; it then learns of the
slots that are held here.

Whoever goes to and fro takes from both, and lets twice as many pass. So the breaker
closes only when several probes in a row were answered in clearly less time than a take
has, and the more of them, the sooner it had to open again.

Failure: while the store is away, limits hold only as evenly as requests are spread over
the processes, and what was used before is not known. Requests are charged where they
were taken, so that no correction strays. Owns: the breaker, the probe, the share.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

import structlog

from inference.limiting.connection import TICKS, StoreAwayError
from inference.limiting.limiter import (
    Charge,
    RateLimiter,
    Rule,
    Taken,
    Unit,
    Verdict,
)
from inference.limiting.memory import MemoryLimiter
from inference.limiting.metrics import LimiterMetrics
from inference.limiting.slots import SlotBook
from kit.clock import boot_us

FAILURES_MAX = 3
PROBE_S = 0.2
# Of the ticks that a take has; how many probes in a row close the breaker, at first and
# at the most; and how long it then stays closed to begin anew.
PROBE_TICKS = 3
PROBES_MIN, PROBES_MAX = 3, 96
CALM_US = 60_000_000

log = structlog.get_logger("tollgate.limiting")


class Store(RateLimiter, Protocol):
    """A `RateLimiter` whose takes raise `StoreAwayError` when its store is away."""

    metrics: LimiterMetrics
    slots: SlotBook

    def restore(self) -> None:
        """Tell the store of all slots that are held here."""
        ...

    async def probe(self, *, ticks: int = TICKS) -> None:
        """Find out whether the store counts; raises `StoreAwayError`."""
        ...


class GuardedLimiter:
    """A `RateLimiter` that always answers: the store's answer, or this process's.

    `processes` returns how many gateways run; it is asked at each take of a share.
    """

    def __init__(self, store: Store, *, processes: Callable[[], int]) -> None:
        self.metrics = store.metrics
        self._store = store
        self._processes = processes
        self._local = MemoryLimiter(slots=store.slots, metrics=store.metrics)
        # What this process took by itself, by request, and who of those is not running.
        self._shares: dict[UUID, tuple[Charge, ...]] = {}
        self._idle: set[UUID] = set()
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None
        # Since when the breaker is closed again, and what it took.
        self._closed_us = -CALM_US
        self._probes = PROBES_MIN

    def try_take(
        self, rules: tuple[Rule, ...], *, input_tokens: int, output_tokens: int
    ) -> Taken | None:
        """Take at once of what is here; nothing of it is used beside the share."""
        if self._probing is not None:
            return None
        return self._store.try_take(
            rules, input_tokens=input_tokens, output_tokens=output_tokens
        )

    async def take(self, request_id: UUID, charges: Sequence[Charge]) -> Verdict:
        """Take all charges, or none of them; or likewise of this process's share."""
        if self._probing is None:
            began_us = boot_us()
            try:
                found = await self._store.take(request_id, charges)
            except StoreAwayError as away:
                self._failed(away)
            else:
                self._failures = 0
                self.metrics.take.observe(boot_us() - began_us)
                return found
        return self._take_share(request_id, charges)

    def settle(
        self, request_id: UUID, charges: Sequence[Charge], used: Mapping[Unit, int]
    ) -> None:
        """Put the flows right by what was really used, and end the slots."""
        share = self._ended(request_id, charges)
        if share is None:
            self._store.settle(request_id, charges, used)
        else:
            self._local.settle(request_id, share, used)

    def release(self, request_id: UUID, charges: Sequence[Charge]) -> None:
        """End the slots."""
        self._store.release(request_id, charges)

    def give_back(self, request_id: UUID, charges: Sequence[Charge]) -> None:
        """Undo a take."""
        share = self._ended(request_id, charges)
        if share is None:
            self._store.give_back(request_id, charges)
        else:
            self._local.give_back(request_id, share)

    def renew(self, running: Iterable[UUID]) -> None:
        """Hold the slots of these requests for longer."""
        running = set(running)
        # Whoever was not running twice in a row was forgotten by its caller.
        for request_id in self._idle - running:
            self._shares.pop(request_id, None)
        self._idle = self._shares.keys() - running
        self._local.renew(running)
        if self._probing is None:
            self._store.restore()

    async def close(self) -> None:
        """Stop probing and close the connection."""
        if self._probing is not None:
            self._probing.cancel()
        await self._store.close()

    async def begin(self) -> None:
        """Find out whether the store counts; without it, begin with the share."""
        try:
            await self._store.probe()
        except StoreAwayError as away:
            self._open(away)

    def _take_share(self, request_id: UUID, charges: Sequence[Charge]) -> Verdict:
        self.metrics.fallbacks += 1
        processes = max(1, self._processes())
        share = tuple(
            Charge(_share_of(each.rule, processes), each.amount) for each in charges
        )
        found = self._local.take_now(request_id, share)
        if found.allowed:
            self._shares[request_id] = share
        return found

    def _ended(
        self, request_id: UUID, charges: Sequence[Charge]
    ) -> tuple[Charge, ...] | None:
        """Return what a request took of the share; None if the store decided on it."""
        share = self._shares.pop(request_id, None)
        if share is not None and self._probing is None:
            # The store may have learned of its slots meanwhile.
            self._store.release(request_id, charges)
        return share

    def _failed(self, away: StoreAwayError) -> None:
        self.metrics.failures += 1
        self._failures += 1
        if self._failures >= FAILURES_MAX and self._probing is None:
            self._open(away)

    def _open(self, away: StoreAwayError) -> None:
        log.warning("limits_by_share", error=str(away), processes=self._processes())
        self.metrics.is_open = True
        is_soon = boot_us() - self._closed_us < CALM_US
        self._probes = min(2 * self._probes, PROBES_MAX) if is_soon else PROBES_MIN
        self._probing = asyncio.get_running_loop().create_task(
            self._probe(), name="limit store probe"
        )

    async def _probe(self) -> None:
        passed = 0
        while passed < self._probes:
            await asyncio.sleep(PROBE_S * random.uniform(0.5, 1.5))  # noqa: S311
            try:
                await self._store.probe(ticks=PROBE_TICKS)
            except StoreAwayError:
                passed = 0
            else:
                passed += 1
        self._failures = 0
        self._probing = None
        self._closed_us = boot_us()
        self.metrics.is_open = False
        self._store.restore()
        log.info("limits_by_store")


def _share_of(rule: Rule, processes: int) -> Rule:
    if not rule.limit:
        return rule
    return Rule(rule.key, rule.unit, max(1, rule.limit // processes), rule.window_us)
