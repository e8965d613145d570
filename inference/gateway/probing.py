"""Asks every engine, again and again, whether it is well and what it runs.

Each gateway process asks for itself, at its own times, and every address once, however
many replicas it is. A replica that dies is passed over before a client meets it, one
that is back is taken at once, and what others send to an engine is seen in its load.
An engine that has answered nothing at all for long is frozen: whoever waits for the
first of its answer need not wait any longer. What a replica had computed is forgotten
once its engine has started anew, and once it takes no requests or is another engine.

Failure: whatever goes wrong with a probe is a miss; nothing is known of an engine that
was never asked, which is taken for well. Owns: what the last probes have told.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from inference.engines.auth.registry import AUTH
from inference.engines.backend import EngineCall
from inference.engines.client import EnginePool
from inference.engines.credentials import credential
from inference.engines.origin import (
    EngineError,
    EngineSilentError,
    EngineUnreachableError,
    Origin,
    Timeouts,
    origin_of,
)
from inference.engines.probes import PROBES, Probe, is_well
from inference.routing import gauges
from inference.routing.fleet import Fleet
from inference.routing.health import ReplicaHealth
from inference.routing.snapshot import ReplicaEntry, Snapshot

# A healthy engine answers within milliseconds, and a busy one may be late.
PATIENCE = Timeouts(connect=1.0, first_byte=2.0, idle=1.0, total=3.0)
# One that has missed a probe is asked again soon: it may be back, or gone for good.
AGAIN_S = 0.5
TICK_S = 0.1
PROBES_AT_ONCE = 16
PAGE_BYTES_MAX = 2 * 1024 * 1024
# An engine that shows no gauges may have been started anew with them.
NO_GAUGES_S = 60.0
# What needs more than a header of the replica's own is not worth a probe.
_PLAIN_AUTH = frozenset({"bearer", "x-api-key", "api-key"})

log = structlog.get_logger("tollgate.probing")


@dataclass(slots=True)
class _Engine:
    """One address, what is served there, and what it told last."""

    origin: Origin
    dialect: str
    probe: Probe
    next_at: float
    replicas: list[ReplicaEntry] = field(default_factory=list[ReplicaEntry])
    is_asked: bool = False
    missed: int = 0
    silent_since: float | None = None
    gauges_at: float = 0.0
    reading: gauges.Reading | None = None


class Prober:
    """Probes all engines of active replicas."""

    def __init__(
        self,
        *,
        pool: EnginePool,
        serving: EnginePool,
        snapshot: Snapshot,
        fleet: Fleet,
        health: ReplicaHealth,
        every_s: float,
        frozen_s: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Probe by `pool`, which is closed in the end; requests go by `serving`."""
        self._pool = pool
        self._serving = serving
        self._snapshot = snapshot
        self._fleet = fleet
        self._health = health
        self._every_s = every_s
        self._frozen_s = frozen_s
        self._chance = chance
        self._engines: dict[tuple[Origin, str], _Engine] = {}
        # What takes requests for each active replica.
        self._serves: dict[int, tuple[str, str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Probe until cancelled."""
        try:
            while True:
                self._look()
                await asyncio.sleep(TICK_S)
        finally:
            for task in self._tasks:
                task.cancel()
            await self._pool.close()

    def readings(self) -> Mapping[int, gauges.Reading]:
        """Return what the engine of each replica told last, of those that are well."""
        return {
            replica.id: engine.reading
            for engine in self._engines.values()
            if engine.reading is not None and not engine.missed
            for replica in engine.replicas
        }

    def _look(self) -> None:
        """Begin the probes that are due."""
        self._follow_snapshot()
        now = self._now()
        for engine in self._engines.values():
            if len(self._tasks) >= PROBES_AT_ONCE:
                return
            if not engine.is_asked and now >= engine.next_at:
                engine.is_asked = True
                task = asyncio.create_task(self._ask(engine), name="probe")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _follow_snapshot(self) -> None:
        found: dict[tuple[Origin, str], list[ReplicaEntry]] = {}
        for replica in self._snapshot.replicas.values():
            if replica.active and replica.dialect in PROBES:
                try:
                    key = (origin_of(replica.url), replica.dialect)
                except EngineUnreachableError:
                    continue
                found.setdefault(key, []).append(replica)
        for gone in self._engines.keys() - found.keys():
            del self._engines[gone]
        for key, replicas in found.items():
            engine = self._engines.get(key)
            if engine is None:
                # Not all at once: neither engines nor processes begin together.
                first_at = self._now() + self._every_s * self._chance()
                engine = _Engine(*key, PROBES[key[1]], first_at)
                self._engines[key] = engine
            engine.replicas = replicas
        self._health.keep_only(self._snapshot.replicas.keys())
        self._follow_moves()

    def _follow_moves(self) -> None:
        """Have forgotten what replicas had computed that are not where they were.

        One that drains too: it may be to be started anew, and nobody looks meanwhile.
        """
        serves = {
            each.id: (each.url, each.upstream_model)
            for each in self._snapshot.replicas.values()
            if each.active
        }
        for replica_id, served in self._serves.items():
            if serves.get(replica_id) != served:
                self._fleet.forget(replica_id)
        self._serves = serves

    async def _ask(self, engine: _Engine) -> None:
        """Probe an engine once, and say when it is its turn again."""
        began = self._now()
        is_silent = False
        try:
            status, _ = await self._get(engine, engine.probe.health)
            well = is_well(status)
        except EngineError as error:
            well = False
            is_silent = isinstance(error, EngineSilentError) or isinstance(
                error.__cause__, TimeoutError
            )
        try:
            self._tell(engine, well=well)
            if well and engine.probe.metrics and began >= engine.gauges_at:
                await self._gauge(engine)
            self._give_up_if_frozen(engine, began if is_silent else None)
        finally:
            pause_s = self._every_s if well else min(AGAIN_S, self._every_s)
            engine.next_at = self._now() + pause_s * (0.8 + 0.4 * self._chance())
            engine.is_asked = False

    def _tell(self, engine: _Engine, *, well: bool) -> None:
        self._health.probed(engine.replicas, is_well=well)
        names = [f"{each.model}/{each.name}" for each in engine.replicas]
        if not well:
            engine.missed += 1
            if engine.missed == 2:
                log.warning("replica_down", replicas=names)
        elif engine.missed:
            if engine.missed > 1:
                log.info("replica_up", replicas=names)
                # Gauges tell a new process from one that was out of reach; without
                # them it is taken for a new one.
                if engine.reading is None:
                    self._forget(engine)
            engine.missed = 0

    def _give_up_if_frozen(self, engine: _Engine, silent_at: float | None) -> None:
        if silent_at is None:
            engine.silent_since = None
            return
        if engine.silent_since is None:
            engine.silent_since = silent_at
        if self._now() - engine.silent_since >= self._frozen_s:
            self._serving.give_up_on(engine.origin, silent_since=engine.silent_since)

    async def _gauge(self, engine: _Engine) -> None:
        """Read what an engine runs, beyond what it has from here."""
        own_before = self._own(engine)
        reading = None
        try:
            status, page = await self._get(engine, engine.probe.metrics)
        except EngineError:
            # It is asked again in its turn; what was read before grows old by itself.
            return
        if status == 200:
            reading = gauges.read(page, gauges.NAMES[engine.dialect])
        if reading is None:
            engine.gauges_at = self._now() + NO_GAUGES_S
            return
        # Some of ours may have come or gone meanwhile: none of them is another's.
        own = max(own_before, self._own(engine))
        self._health.gauged(engine.replicas, max(0, reading.requests - own))
        if engine.reading is not None and reading.is_of_another_process(engine.reading):
            log.info("engine_restarted", origin=engine.origin.authority)
            self._forget(engine)
        engine.reading = reading

    def _forget(self, engine: _Engine) -> None:
        for replica in engine.replicas:
            self._fleet.forget(replica.id)

    def _own(self, engine: _Engine) -> int:
        return sum(self._fleet.running(each.id) for each in engine.replicas)

    async def _get(self, engine: _Engine, path: str) -> tuple[int, bytes]:
        """Ask for a page, anew where a kept connection was gone."""
        headers = await self._headers(engine)
        for fresh in (False, True):
            exchange = await self._pool.request(
                engine.origin, method="GET", path=path, headers=headers, fresh=fresh
            )
            try:
                status = await exchange.head()
                return status, await exchange.read_all(bytes_max=PAGE_BYTES_MAX)
            except EngineUnreachableError:
                if fresh or not exchange.is_reused:
                    raise
            finally:
                exchange.close()
        raise AssertionError("a fresh connection answers, or raises")

    async def _headers(self, engine: _Engine) -> Mapping[str, str]:
        replica = engine.replicas[0]
        plain = {"accept-encoding": "identity"}
        if replica.auth not in _PLAIN_AUTH:
            return plain
        key = credential(replica.credential)
        call = EngineCall(engine.probe.health, {}, b"")
        proof = await AUTH[replica.auth].headers(
            engine.origin, call, key, replica.options
        )
        return {**plain, **proof}

    def _now(self) -> float:
        return self._pool.loop.time()
