"""The way to the engines, as the settings have it."""

from config.env_engines import EngineSettings
from inference.engines.client import EnginePool
from inference.engines.origin import Timeouts
from inference.gateway.probing import PATIENCE, Prober
from inference.routing.fleet import Fleet
from inference.routing.health import ReplicaHealth
from inference.routing.snapshot import Snapshot


def engine_pool(settings: EngineSettings) -> EnginePool:
    """Open the pool; a loop must run."""
    return _pool(
        settings,
        Timeouts(
            connect=settings.engine_connect_ms / 1000,
            first_byte=settings.engine_first_byte_ms / 1000,
            idle=settings.engine_idle_ms / 1000,
            total=settings.engine_total_ms / 1000,
        ),
    )


def prober(
    settings: EngineSettings,
    *,
    serving: EnginePool,
    snapshot: Snapshot,
    fleet: Fleet,
    health: ReplicaHealth,
) -> Prober:
    """Return what probes the engines, by connections of its own; a loop must run."""
    return Prober(
        pool=_pool(settings, PATIENCE),
        serving=serving,
        snapshot=snapshot,
        fleet=fleet,
        health=health,
        every_s=settings.engine_probe_ms / 1000,
        frozen_s=settings.engine_frozen_ms / 1000,
    )


def _pool(settings: EngineSettings, timeouts: Timeouts) -> EnginePool:
    return EnginePool(
        timeouts=timeouts,
        ca_file=settings.engine_ca_file,
        proxy=settings.engine_proxy,
    )
