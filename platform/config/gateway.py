"""One gateway process: puts the data plane and the meter together and serves them.

Run as `python -m config.gateway`. Loads no Django, no DRF, no Celery, no Stripe. On
SIGTERM it stops being ready, lets running requests finish for a while, ends the rest as
drained, commits what is left and closes its epoch.
"""

import asyncio
import gc
from collections.abc import Mapping
from functools import cached_property, partial

import structlog
import uvicorn
import uvloop
from psycopg import AsyncConnection

from config.engine_side import EngineSide
from config.env import (
    DatabaseSettings,
    GatewaySettings,
    LogSettings,
    SecretSettings,
    load,
)
from config.env_inputs import InputSettings
from config.listening import listening_socket
from config.serving import GatewayServer, tell_of_its_end
from inference.caching.answers import KeptAnswers
from inference.caching.opening import open_cache
from inference.engines.cache_salt import CacheSalts
from inference.gateway.admission import Admissions
from inference.gateway.app import Gateway, Probes
from inference.gateway.authentication import Authenticator
from inference.gateway.client_address import Proxies
from inference.gateway.counting import Counting
from inference.gateway.generation import Generation
from inference.gateway.holding import Holds
from inference.gateway.idempotency import Idempotency
from inference.gateway.keeping import Keeping
from inference.gateway.live import LiveRequests
from inference.gateway.media import RemoteMedia
from inference.gateway.metrics import GatewayMetrics, MetricsPage
from inference.gateway.models import ModelList
from inference.gateway.passthrough import Passthrough
from inference.gateway.protocol import ClientConnection
from inference.gateway.pulse import Pulse
from inference.gateway.rates import Rates
from inference.gateway.refusals import Refusals
from inference.gateway.turns import Turns
from inference.limiting.guarded import GuardedLimiter
from inference.limiting.memory import MemoryLimiter
from inference.limiting.opening import open_limiter
from inference.routing import snapshot as routing
from inference.routing.limits import LimitsInForce
from inference.scheduling.opening import open_shares
from inference.scheduling.shares import Sharing
from inference.tokenizers.pool import TokenizerPool
from kit.log import configure as configure_log
from kit.postgres import Refresh, follow
from kit.secrets import Purpose, derive
from metering.idempotency.claims import Claims
from metering.intake import broker, prices
from metering.intake.journal import Journal
from metering.intake.journal_file import JournalError, JournalFile
from metering.intake.liveness import Liveness
from metering.intake.meter import IntakeMeter
from metering.intake.metrics import MeterMetrics
from metering.intake.peers import Peers

# Above the idle time of common proxies, so that the proxy is the one to close.
KEEP_ALIVE_S = 75
SHUTDOWN_GRACE_S = 5
# How many new objects there are before each generation is looked through.
GC_THRESHOLDS = (50_000, 20, 100)

log = structlog.get_logger("tollgate.gateway")


class GatewayProcess:
    """Everything that one gateway process owns."""

    def __init__(
        self,
        *,
        gateway: GatewaySettings,
        database: DatabaseSettings,
        secrets: SecretSettings,
        inputs: InputSettings,
        journal: JournalFile,
        limiter: MemoryLimiter | GuardedLimiter,
        shares: Sharing,
        peers: Peers,
    ) -> None:
        self._settings = gateway
        self._inputs = inputs
        self._database = database
        self.live = LiveRequests()
        self.liveness = Liveness(away_after_ms=gateway.database_away_ms)
        self.meter = IntakeMeter(
            url=database.url_for("gateway"),
            gateway=gateway.gateway_name,
            journal=Journal(journal),
            liveness=self.liveness,
            gap_ms=gateway.settle_gap_ms,
        )
        self.meter.on_lapsed(self.live.drain)
        self.claims = Claims(
            url=database.url_for("gateway"),
            name=gateway.gateway_name,
            epoch_id=lambda: self.meter.committer.epoch.id,
            is_away=lambda: self.liveness.is_gone,
        )
        self.proxies = Proxies.parse(gateway.trusted_proxies)
        self.snapshot = routing.Snapshot()
        self.metrics = GatewayMetrics()
        self.limiter = limiter
        self.rates = Rates(limiter=limiter, metrics=self.metrics)
        self._peers = peers
        pepper = secrets.key_pepper.get_secret_value().encode()
        self.salts = CacheSalts(derive(pepper, Purpose.CACHE_SALT))
        self.engines = EngineSide(
            gateway, snapshot=self.snapshot, salts=self.salts, shares=shares
        )
        self.tokenizers = TokenizerPool(inputs.tokenizer_dir)
        self.counting = Counting(self.engines.pool, self.snapshot, self.tokenizers)
        self.idempotency = Idempotency(self.claims, derive(pepper, Purpose.IDEMPOTENCY))
        self.answers = _kept_answers(gateway, pepper)
        self.authenticator = Authenticator(
            snapshot=self.snapshot,
            secret=derive(pepper, Purpose.API_KEY),
            now_us=self.meter.clock.now_us,
            has_started=self._has_started,
            proxies=self.proxies,
        )
        self.server = GatewayServer(
            uvicorn.Config(
                self._application(),
                http=ClientConnection,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                # Forwarding headers are believed by nobody but `Passthrough`.
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=gateway.drain_ms // 1000 + SHUTDOWN_GRACE_S,
            ),
            live=self.live,
            drain_s=gateway.drain_ms / 1000,
        )

    @classmethod
    async def open(
        cls,
        *,
        gateway: GatewaySettings,
        database: DatabaseSettings,
        secrets: SecretSettings,
        inputs: InputSettings | None = None,
    ) -> "GatewayProcess":
        """Make a process that shares its rate limits with the others, if it is to.

        Raises `ValueError` for an address of the store that cannot be read, and
        `JournalError` where no journal can be kept.
        """
        journal = JournalFile.create(
            gateway.journal_dir,
            gateway=gateway.gateway_name,
            slots=gateway.journal_slots,
        )
        peers = Peers()
        limiter = await open_limiter(
            gateway.redis_url,
            processes=peers.count,
            deadline_ms=gateway.rate_limiter_timeout_ms,
        )
        return cls(
            gateway=gateway,
            database=database,
            secrets=secrets,
            inputs=inputs or load(InputSettings),
            journal=journal,
            limiter=limiter,
            shares=await open_shares(
                gateway.redis_url,
                gateway=gateway.gateway_name,
                processes=peers.count,
            ),
            peers=peers,
        )

    async def run(self) -> None:
        """Serve until a signal, then leave nothing uncommitted."""
        listener = listening_socket(self._settings.host, self._settings.port)
        followers = [
            self._follow(
                "snapshot", routing.CHANNEL, self._refresh_snapshot, routing.POLL_S
            ),
            self._follow(
                "prices", prices.CHANNEL, self.meter.prices.reload, prices.POLL_S
            ),
            self._follow(
                "budgets", broker.CHANNEL, self.meter.leases.recalled, broker.POLL_S
            ),
            asyncio.create_task(self.rates.renew(), name="slots"),
            asyncio.create_task(self.claims.run(), name="claims"),
            asyncio.create_task(self.engines.prober.run(), name="probes"),
            asyncio.create_task(self.engines.share(), name="shares"),
        ]
        for task in followers:
            task.add_done_callback(tell_of_its_end)
        starting = asyncio.create_task(self.meter.start())
        try:
            await self.server.serve(sockets=[listener])
        finally:
            for task in (starting, *followers):
                task.cancel()
            await asyncio.gather(starting, *followers, return_exceptions=True)
            await self.refusals.tell_last(self._database.direct_url)
            await self.counting.close()
            await self.meter.stop()
            await self.limiter.close()
            await self.answers.cache.close()
            await self.engines.close()

    def readiness(self) -> Mapping[str, bool]:
        """Return what must hold for requests to be taken."""
        return {
            "database": self.meter.is_admitting,
            "clock": self.meter.clock.is_set,
            "snapshot": self.snapshot.is_loaded,
            "prices": self.meter.prices.is_loaded,
            "serving": not self.server.is_draining,
        }

    @cached_property
    def refusals(self) -> Refusals:
        """Return what counts the requests that this process refuses."""
        return Refusals(self._settings.gateway_name, self.meter.clock.now_us)

    @cached_property
    def _pulse(self) -> Pulse:
        return self.engines.pulse(
            self.live,
            self.metrics,
            gateway=self._settings.gateway_name,
            is_ready=lambda: all(self.readiness().values()),
        )

    def _follow(
        self, name: str, channel: str, refresh: Refresh, poll_s: float
    ) -> "asyncio.Task[None]":
        following = follow(
            self._database.direct_url,
            name=f"{self._settings.gateway_name} {name}",
            channel=channel,
            refresh=refresh,
            poll_s=poll_s,
        )
        return asyncio.create_task(following, name=name)

    async def _refresh_snapshot(self, connection: AsyncConnection) -> None:
        """Follow the control side; load a tokenizer before a request can need it.

        Keys are seen to expire, too: what runs for a caller that may not go on ends.
        """
        await self.snapshot.refresh(connection)
        await self._peers.refresh(connection)
        if self.meter.clock.is_set:
            now_us = self.meter.clock.now_us()
            stopped = self.live.end_those_stopped(
                partial(self.snapshot.stop_reason, now_us=now_us)
            )
            if stopped:
                log.info("requests_stopped", requests=stopped)
        await self._pulse.tell(connection)
        await self.refusals.tell(connection)
        await self.tokenizers.prepare(
            model.tokenizer
            for model in self.snapshot.models.values()
            if model.tokenizer
        )

    def _has_started(self) -> bool:
        """Tell whether all that a request is decided on was read at least once."""
        return (
            self.snapshot.is_loaded
            and self.meter.prices.is_loaded
            and self.meter.clock.is_set
        )

    def _application(self) -> Gateway:
        now_us = self.meter.clock.now_us
        generation = Generation(
            authenticator=self.authenticator,
            snapshot=self.snapshot,
            turns=Turns(self.engines.scheduler, self.snapshot, self.salts),
            meter=self.meter,
            attempts=self.engines.attempts,
            counting=self.counting,
            admissions=Admissions(
                limits=LimitsInForce(self.snapshot),
                rates=self.rates,
                holds=Holds(self.meter, self.counting, self.metrics),
                meter=self.meter,
                live=self.live,
                idempotency=self.idempotency,
                now_us=now_us,
            ),
            keeping=Keeping(self.answers, self.meter),
            metrics=self.metrics,
            body_bytes_max=self._settings.body_bytes_max,
            media=RemoteMedia(
                self._inputs.media_hosts, allowed=self._inputs.media_networks
            ),
        )
        return Gateway(
            generation=generation,
            models=ModelList(self.authenticator, self.snapshot, self.meter, now_us),
            probes=Probes(self.readiness, self._metrics_page()),
            passthrough=Passthrough(
                pool=self.engines.pool,
                web_url=self._settings.web_url,
                body_bytes_max=self._settings.body_bytes_max,
                proxies=self.proxies,
            ),
            metrics=self.metrics,
            refusals=self.refusals,
        )

    def _metrics_page(self) -> MetricsPage:
        limits, meter = self.limiter.metrics, MeterMetrics(self.meter)
        return MetricsPage(
            self.metrics,
            gateway=self._settings.gateway_name,
            gauges={
                **limits.gauges,
                **meter.gauges,
                "tollgate_counts_waiting": (
                    "Ended requests whose tokens are still being counted.",
                    lambda: len(self.counting),
                ),
                "tollgate_snapshot_version": (
                    "Version of the snapshot in force.",
                    lambda: self.snapshot.version,
                ),
            },
            counters={
                **limits.counters,
                **meter.counters,
                **self.answers.metrics.counters,
            },
            histograms={**limits.histograms, **meter.histograms},
            families=[
                *self.engines.metrics.families(),
                *self.engines.queues.families(),
            ],
            spreads=self.engines.queues.spreads(),
        )


def _kept_answers(gateway: GatewaySettings, pepper: bytes) -> KeptAnswers:
    cache = open_cache(
        gateway.redis_url,
        bytes_max=gateway.response_cache_bytes,
        deadline_ms=gateway.rate_limiter_timeout_ms,
    )
    return KeptAnswers(cache, derive(pepper, Purpose.RESPONSE_CACHE))


async def main() -> None:
    """Run one gateway process with the settings of the environment."""
    settings = load(GatewaySettings)
    try:
        process = await GatewayProcess.open(
            gateway=settings,
            database=load(DatabaseSettings),
            secrets=load(SecretSettings),
            inputs=load(InputSettings),
        )
    except ValueError as error:
        raise SystemExit(f"tollgate: REDIS_URL: {error}") from None
    except JournalError as error:
        raise SystemExit(f"tollgate: JOURNAL_DIR: {error}") from None
    # What is loaded now lives for ever. A full collection that looked at it again would
    # stop every stream for some 20 ms.
    gc.collect()
    gc.freeze()
    # What thousands of open requests hold took half a second, again and again.
    gc.set_threshold(*GC_THRESHOLDS)
    log.info("gateway_starts", gateway=settings.gateway_name, port=settings.port)
    await process.run()


if __name__ == "__main__":
    logging = load(LogSettings)
    configure_log(style=logging.log_style, level=logging.log_level)
    uvloop.run(main())
