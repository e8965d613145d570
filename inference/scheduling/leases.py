"""Slots of replicas that gateway processes lease from each other, in a shared store.

All processes together never send a replica more than its slots: what is not held by one
is free, and only the store's script gives it away, one process at a time. What a
process does not need it lets go of with its next tick, so the slots of idle processes
serve the others after a tenth of a second. While requests wait anywhere, each process
ticks every 20 ms, and a free slot is given to who waits with the best rank: the best
class, then the tenant that has had least, in whichever process. So shares follow the
demand of tenants, not of processes, and a flood at one starves nobody at another.

A slot that is freed is used again where it is, without asking, unless requests that
wait elsewhere come before those here: then it goes back.

Failure: a process that says nothing for `TTL_S` has lost its slots. It knows before:
after `HOLDS_S` without an answer, or at once where it holds nothing, it uses the slots
divided by the number of processes. Owns: the leases of this process.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import orjson
import structlog

from inference.limiting.client import StoreClient
from inference.limiting.connection import StoreAwayError, Waiting
from inference.limiting.resp import Reply, ServerError, bulk
from inference.limiting.valkey import Script
from inference.routing.fleet import Fleet, Standing
from inference.routing.serving import Priority
from inference.routing.snapshot import ReplicaEntry
from inference.scheduling.accounts import Account
from inference.scheduling.fair_queue import Claim, Rank
from inference.scheduling.pool import Pool
from inference.scheduling.shares import Lines
from kit.json_values import is_object

PREFIX = "tg:sh:"
TICK = Script("leases.lua", folder=Path(__file__).parent)
# What a client says on each new connection.
GREETING = (("SCRIPT", "LOAD", TICK.text),)
# Between two ticks while requests wait; else, while some run; and how long a pool that
# nobody asked for keeps its slots.
HURRIED_S, CALM_S, IDLE_S = 0.02, 0.1, 2.0
# How long a lease is used without an answer, and after how long the store gives its
# slots to others: the difference is for a machine that is slow to look at the clock.
HOLDS_S, TTL_S = 2.0, 4.0
# For how long a claim counts that was not made again.
FRESH_S = 0.25
# Counters that nobody asked for meanwhile are forgotten.
_LIFE_S = 600
_COUNTERS_MAX = 1_000

log = structlog.get_logger("tollgate.scheduling")


@dataclass(slots=True)
class _Lease:
    """What this process holds of one pool."""

    until_s: float = 0.0
    used_s: float = 0.0
    granted: dict[int, int] = field(default_factory=dict[int, int])
    target: dict[int, int] = field(default_factory=dict[int, int])
    # What waits elsewhere, and how many of the slots here were given over that.
    claims: tuple[Claim, ...] = ()
    allowed: int = 0
    # Whether the store was told that requests wait here.
    has_claimed: bool = False


class LeasedShares:
    """This process's leases; implements `Sharing`."""

    is_exchanged = True

    def __init__(
        self,
        client: StoreClient,
        *,
        gateway: str,
        processes: Callable[[], int],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.client = client
        self.ticks = self.failures = 0
        self._name = f"{gateway}:{secrets.token_hex(4)}"
        self._processes = processes
        self._clock = clock
        self._leases: dict[str, _Lease] = {}
        self._wanted = asyncio.Event()
        self._seq = 0
        # Until the store has been asked, nobody knows better.
        self._is_away = False

    def granted(self, replica: ReplicaEntry) -> int:
        """Return the number of requests that may run on it from here."""
        lease = self._leases.get(replica.model)
        if lease is not None and lease.until_s > self._clock():
            return lease.granted.get(replica.id, 0)
        if self._is_away:
            return max(1, replica.slots // max(1, self._processes()))
        return 0

    def is_wanted_elsewhere(self, pool: str) -> bool:
        """Tell whether requests wait for a pool in other processes."""
        lease = self._leases.get(pool)
        return lease is not None and bool(lease.claims)

    def may_run(self, pool: str, rank: Rank, *, slack: float, places: int) -> bool:
        """Tell whether one of so many free places is for a request of this rank."""
        lease = self._leases.get(pool)
        if lease is None or not lease.claims or lease.allowed > 0:
            return True
        before = sum(
            claim.waiting
            for claim in lease.claims
            if claim.rank.is_before(rank, by=slack)
        )
        return places > before

    def ran(self, pool: str) -> None:
        """Learn that a place was taken by one who waited."""
        lease = self._leases.get(pool)
        if lease is not None and lease.allowed:
            lease.allowed -= 1

    def want(self, pool: str) -> None:
        """Learn that a pool has changed in a way that the others should hear of."""
        lease = self._leases.get(pool)
        if lease is None:
            lease = self._leases[pool] = _Lease()
        lease.used_s = self._clock()
        self._wanted.set()

    async def run(self, lines: Lines, fleet: Fleet) -> None:
        """Tick for ever; on the way out, let go of everything."""
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CALM_S if self._leases else None):
                        await self._wanted.wait()
                self._wanted.clear()
                try:
                    await self.tick(lines, fleet)
                except Exception:
                    # Without another tick nobody would be served here again.
                    log.exception("gateway_bug")
                    await asyncio.sleep(CALM_S)
                if self._is_hurried(lines, fleet):
                    self._wanted.set()
                await asyncio.sleep(HURRIED_S)
        finally:
            for name in self._leases:
                self._leave(name)

    async def close(self) -> None:
        """Close the connection."""
        await self.client.close()

    async def tick(self, lines: Lines, fleet: Fleet) -> None:
        """Tell the store of every pool, and take over what it answers."""
        names = list(self._leases)
        await asyncio.gather(*(self._tick(name, lines, fleet) for name in names))

    async def _tick(self, name: str, lines: Lines, fleet: Fleet) -> None:
        lease, pool = self._leases[name], lines.pools[name]
        now_s = self._clock()
        replicas = fleet.snapshot.replicas_by_model.get(name, ())
        runs = {each.id: fleet.running(each.id) for each in replicas}
        if self._is_idle(lease, pool, runs, now_s) and not self._is_away:
            del self._leases[name]
            self._leave(name)
            return
        claims = _claims(fleet, pool)
        self._let_go(lease, replicas, runs, is_contended=bool(claims or lease.claims))
        # Of one that is not well no slot is taken, unless none is: then one is tried.
        usable = [each for each in replicas if fleet.health.may_take(each)] or replicas
        spent = pool.queue.take_unsaid(_COUNTERS_MAX)
        said = {
            **self._head(),
            "weight": sum(runs.values()) + 1,
            "replicas": {
                str(each.id): (
                    each.slots if each in usable else 0,
                    runs[each.id],
                    max(lease.granted[each.id], runs[each.id]),
                )
                for each in replicas
            },
            "claims": claims,
            "spent": [
                (each.priority, each.tenant_id, each.counter - worth, worth)
                for each, worth in spent
            ],
            "levels": [level for _, level in sorted(pool.queue.levels())],
            "slack": [2 * pool.queue.slack(each) for each in Priority],
        }
        try:
            answer = await self._ask(name, said)
        except StoreAwayError as away:
            pool.queue.untold(spent)
            self._failed(away)
        else:
            self._back()
            lease.until_s = now_s + HOLDS_S
            lease.has_claimed = bool(claims)
            self._apply(lease, pool, spent, answer)
        lines.dispatch(name)

    def _is_idle(
        self, lease: _Lease, pool: Pool, runs: Mapping[int, int], now_s: float
    ) -> bool:
        if pool.waiting or any(runs.values()):
            lease.used_s = now_s
        return now_s - lease.used_s > IDLE_S

    def _let_go(
        self,
        lease: _Lease,
        replicas: Sequence[ReplicaEntry],
        runs: Mapping[int, int],
        *,
        is_contended: bool,
    ) -> None:
        """Keep no more slots than are needed: from now on, whatever is answered."""
        kept: dict[int, int] = {}
        for each in replicas:
            cap = self.granted(each)
            keep = 0 if is_contended else lease.target.get(each.id, cap)
            kept[each.id] = min(cap, max(runs[each.id], keep))
        lease.granted = kept
        if lease.until_s <= self._clock():
            # What was used without the store is not what it has given.
            lease.granted = dict.fromkeys(kept, 0)
        lease.allowed = 0

    def _apply(
        self,
        lease: _Lease,
        pool: Pool,
        spent: Sequence[tuple[Account, float]],
        answer: Mapping[str, Any],
    ) -> None:
        lease.granted = {
            int(name): int(each) for name, each in _items(answer["granted"])
        }
        lease.target = {int(name): int(each) for name, each in _items(answer["target"])}
        lease.claims = tuple(
            Claim(Rank(Priority(int(each[0])), each[1]), each[2], int(each[3]))
            for each in answer["claims"]
        )
        lease.allowed = int(answer["allowed"])
        accounts = (account for account, _ in spent)
        pool.queue.learn(
            zip(accounts, answer["counters"], strict=True),
            (Rank(Priority(at), level) for at, level in enumerate(answer["levels"])),
        )

    def _is_hurried(self, lines: Lines, fleet: Fleet) -> bool:
        for name, lease in self._leases.items():
            if lease.has_claimed or lines.pools[name].waiting:
                return True
            held = sum(lease.granted.values())
            if lease.claims and held > sum(
                fleet.running(each) for each in lease.granted
            ):
                return True
        return False

    def _head(self) -> dict[str, Any]:
        self._seq += 1
        return {
            "id": self._name,
            "seq": self._seq,
            "ttl": int(TTL_S * 1000),
            "fresh": int(FRESH_S * 1000),
            "life": int(_LIFE_S * 1000),
        }

    async def _ask(self, name: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer to a tick; raises `StoreAwayError`."""
        bulks = _bulks(name, said)
        self.ticks += 1
        for sent in (TICK.by_name(bulks), TICK.in_full(bulks)):
            waiting: Waiting = self.client.loop.create_future()
            self.client.send(sent, waiting)
            reply = await waiting
            if not isinstance(reply, ServerError) or reply.code != "NOSCRIPT":
                break
        return _read(reply)

    def _leave(self, name: str) -> None:
        """Let go of all slots; nobody waits for the answer."""
        nothing: dict[str, Any] = {"replicas": {}, "claims": [], "spent": []}
        none = [0.0] * len(Priority)
        said = {**self._head(), **nothing, "weight": 0, "levels": none, "slack": none}
        with suppress(StoreAwayError):
            self.client.send(TICK.by_name(_bulks(name, said)))

    def _failed(self, away: StoreAwayError) -> None:
        self.failures += 1
        if not self._is_away:
            self._is_away = True
            log.warning("slots_by_share", error=str(away), processes=self._processes())

    def _back(self) -> None:
        if self._is_away:
            self._is_away = False
            log.info("slots_by_store")


def _claims(fleet: Fleet, pool: Pool) -> list[tuple[int, float, float, int]]:
    """Return what waits here and could run somewhere."""
    if fleet.standing(pool.name) not in (Standing.FREE, Standing.FULL):
        return []
    claims = pool.queue.claims()
    if moving := len(pool.moving):
        # They have been charged, and go before all others here, too.
        first = max(pool.queue.levels())
        claims.append(Claim(first, 0.0, moving))
    return [
        (each.rank.priority, each.rank.counter, each.step, each.waiting)
        for each in claims
    ]


def _bulks(name: str, said: Mapping[str, Any]) -> list[bytes]:
    pool = f"{PREFIX}{{{name}}}"
    keys = [pool, *(f"{pool}:{each.value}" for each in Priority)]
    return [bulk(len(keys)), *map(bulk, keys), bulk(orjson.dumps(said))]


def _items(table: Any) -> Any:
    """Return what an object holds; an empty one may come as a list."""
    return table.items() if is_object(table) else ()


def _read(reply: Reply) -> Mapping[str, Any]:
    """Return the answer to a tick; raises `StoreAwayError` for anything else."""
    if isinstance(reply, ServerError):
        raise StoreAwayError(reply.code)
    if not isinstance(reply, bytes) or not reply:
        raise StoreAwayError("the answer is none")
    answer: Mapping[str, Any] = orjson.loads(reply)
    return answer
