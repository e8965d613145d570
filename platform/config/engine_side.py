"""One gateway process's way to its engines, put together.

From a request that is admitted to the replica that answers it: whose turn it is, which
replica is best and well, the connections, the probes. Owns: all of these.
"""

import asyncio
from collections.abc import Callable

from config.engine_pool import engine_pool, prober
from config.env_engines import EngineSettings
from inference.engines.cache_salt import CacheSalts
from inference.gateway.attempt import Attempts
from inference.gateway.live import LiveRequests
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.pulse import Pulse, PulseSources
from inference.gateway.queue_metrics import QueueMetrics
from inference.gateway.replica_metrics import ReplicaMetrics
from inference.routing.fleet import Fleet
from inference.routing.health import ReplicaHealth
from inference.routing.policies import new_policies
from inference.routing.retry_budget import RetryBudget
from inference.routing.snapshot import Snapshot
from inference.scheduling.scheduler import FairScheduler
from inference.scheduling.shares import Sharing


class EngineSide:
    """What stands between an admitted request and the engines; a loop must run."""

    def __init__(
        self,
        settings: EngineSettings,
        *,
        snapshot: Snapshot,
        salts: CacheSalts,
        shares: Sharing,
    ) -> None:
        self.snapshot = snapshot
        self.pool = engine_pool(settings)
        self.health = ReplicaHealth(now=asyncio.get_running_loop().time)
        self.shares = shares
        self.fleet = Fleet(snapshot, self.health, shares, new_policies())
        self.scheduler = FairScheduler(self.fleet, shares=shares, retries=RetryBudget())
        self.health.on_well = self.scheduler.dispatch
        self.attempts = Attempts(pool=self.pool, salts=salts)
        self.prober = prober(
            settings,
            serving=self.pool,
            snapshot=snapshot,
            fleet=self.fleet,
            health=self.health,
        )
        self.metrics = ReplicaMetrics(
            snapshot, self.fleet, self.health, self.attempts, self.pool
        )
        self.queues = QueueMetrics(snapshot, self.scheduler, shares)

    def pulse(
        self,
        live: LiveRequests,
        metrics: GatewayMetrics,
        *,
        gateway: str,
        is_ready: Callable[[], bool],
    ) -> Pulse:
        """Make what tells operators how this process is."""
        sources = PulseSources(
            live=live,
            metrics=metrics,
            snapshot=self.snapshot,
            scheduler=self.scheduler,
            fleet=self.fleet,
            health=self.health,
            prober=self.prober,
            is_ready=is_ready,
        )
        return Pulse(sources, gateway=gateway, now=asyncio.get_running_loop().time)

    async def share(self) -> None:
        """Share the replicas' slots with the other gateways until cancelled."""
        await self.shares.run(self.scheduler, self.fleet)

    async def close(self) -> None:
        """Let go of slots and connections."""
        await self.shares.close()
        await self.pool.close()
