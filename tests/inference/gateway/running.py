"""A gateway on a free port, in a thread with a loop of its own; its meter is recorded.

The data plane is put together as `config.gateway` does it, under the same server and
protocol, with a `RecordingMeter` in the database's place. Owns: the thread, which ends
with the context.
"""

import asyncio
import itertools
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import uvicorn
import uvloop
from openai import OpenAI

from config.serving import GatewayServer
from inference.caching.answers import KeptAnswers
from inference.caching.memory import MemoryCache
from inference.engines.cache_salt import CacheSalts
from inference.engines.client import EnginePool
from inference.engines.origin import Timeouts
from inference.gateway.admission import Admissions
from inference.gateway.app import Gateway, Probes
from inference.gateway.attempt import Attempts
from inference.gateway.authentication import Authenticator
from inference.gateway.client_address import Proxies
from inference.gateway.counting import Counting
from inference.gateway.generation import Generation
from inference.gateway.holding import Holds
from inference.gateway.http import HttpRequest
from inference.gateway.idempotency import Idempotency
from inference.gateway.keeping import Keeping
from inference.gateway.live import LiveRequests
from inference.gateway.metrics import GatewayMetrics, MetricsPage
from inference.gateway.models import ModelList
from inference.gateway.passthrough import Passthrough
from inference.gateway.protocol import ClientConnection
from inference.gateway.rates import Rates
from inference.gateway.refusals import Refusals
from inference.gateway.turns import KEEP_ALIVE_S, Turns
from inference.limiting.memory import MemoryLimiter
from inference.routing.fleet import Fleet
from inference.routing.health import ReplicaHealth
from inference.routing.limits import LimitsInForce
from inference.routing.policies import new_policies
from inference.routing.retry_budget import RetryBudget
from inference.routing.snapshot import Snapshot
from inference.scheduling.scheduler import FairScheduler
from inference.scheduling.shares import WholeShares
from inference.tokenizers.pool import TokenizerPool
from kit import api_keys
from tests.inference.gateway.claims import MemoryClaims
from tests.inference.gateway.meter import NOW_US, RecordingMeter
from tests.inference.gateway.polling import PATIENCE_S

PEPPER = b"pepper of the tests"
BODY_BYTES_MAX = 4 * 1024 * 1024
CACHE_BYTES_MAX = 1024 * 1024
BACKLOG = 1024
PATIENT = Timeouts(connect=2.0, first_byte=30.0, idle=30.0)

T = TypeVar("T")
App = Callable[[HttpRequest], Any]
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What tests vary about a gateway."""

    loop: str = "uvloop"
    timeouts: Timeouts = PATIENT
    web_url: str = ""
    trusted_proxies: str = ""
    stall_s_max: float = 60.0
    head_s_max: float = 30.0
    body_grace_s: float = 30.0
    body_bytes_max: int = BODY_BYTES_MAX
    drain_s: float = 5.0
    count_patience_s: float = 1.0
    keep_alive_s: float = KEEP_ALIVE_S
    # Put around the application, to act at a moment that only the inside knows.
    around: Callable[[App], App] | None = None


@dataclass(slots=True)
class RunningGateway:
    """Where it listens, what is inside, and the calls that tests make most."""

    loop: asyncio.AbstractEventLoop
    port: int
    meter: RecordingMeter
    snapshot: Snapshot
    metrics: GatewayMetrics
    live: LiveRequests
    pool: EnginePool
    server: GatewayServer
    counting: Counting
    rates: Rates
    readiness: dict[str, bool]
    refusals: Refusals
    key: str = ""
    client: httpx.Client = field(init=False)
    sdks: list[OpenAI] = field(default_factory=list)

    def open(self) -> None:
        """Let in a first tenant, from outside of the gateway's own thread."""
        self.key = self.issue_key(tenant_id=1)
        self.client = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {self.key}"},
            timeout=PATIENCE_S,
        )

    @property
    def url(self) -> str:
        """Return the address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, call: Callable[[], T]) -> T:
        """Run a call on the gateway's loop and return what it returns."""

        async def on_loop() -> T:
            return call()

        running = asyncio.run_coroutine_threadsafe(on_loop(), self.loop)
        return running.result(PATIENCE_S)

    def publish(self, kind: str, key: str, body: dict[str, Any] | None) -> None:
        """Apply an entry as if it had been published."""
        self.run(lambda: self.snapshot.apply(kind, key, body))

    def issue_key(
        self,
        *,
        tenant_id: int,
        active: bool = True,
        expires_at: int | None = None,
        with_tenant: bool = True,
        key: str = "",
        without: Collection[str] = (),
        **rights: list[str],
    ) -> str:
        """Publish a new key, or one anew, and its tenant; `without` these fields."""
        key = key or api_keys.generate()
        if with_tenant:
            tenant = {"slug": f"t{tenant_id}", "active": active, "currency": "USD"}
            self.publish("tenant", str(tenant_id), tenant)
        body: dict[str, Any] = {
            "api_key_id": next(_numbers),
            "project_id": tenant_id,
            "tenant_id": tenant_id,
            "expires_at": expires_at,
            "scopes": ["embed", "generate", "models"],
            "models": [],
            "networks": [],
            **rights,
        }
        for name in without:
            del body[name]
        self.publish("api_key", api_keys.digest(key, PEPPER), body)
        return key

    def limit(self, *rows: dict[str, Any]) -> None:
        """Publish the limits of the first tenant, of which nothing is used yet."""
        body = {"rows": list(rows)} if rows else None
        self.publish("limits", "1:tenant:1:operator", body)
        self.run(self.meter.budgets.clear)
        self.rates.limiter = MemoryLimiter()

    def serve(
        self,
        *urls: str,
        dialect: str = "vllm",
        upstream_model: str = "",
        max_output_tokens: int | None = None,
        tokenizer: str = "",
        prompt_bound: dict[str, int] | None = None,
        tasks: Collection[str] = (),
        modalities: Collection[str] = ("text",),
        policy: str = "prefix_aware",
        wake_ms: int = 0,
        **replica_fields: Any,
    ) -> str:
        """Publish a new model with replicas at these addresses; return its name."""
        name = f"model-{next(_numbers)}"
        body = {
            "context_tokens": 32_768,
            "max_output_tokens": max_output_tokens,
            "created": 1,
            "tokenizer": tokenizer,
            "prompt_bound": prompt_bound,
            "tasks": list(tasks),
            "modalities": list(modalities),
            "policy": policy,
            "wake_ms": wake_ms,
        }
        self.publish("model", name, body)
        for url in urls:
            number = next(_numbers)
            replica = {
                "model": name,
                "name": f"replica-{number}",
                "url": url,
                "dialect": dialect,
                "upstream_model": upstream_model or name,
                "credential": "",
                "state": "active",
                **replica_fields,
            }
            self.publish("replica", str(number), replica)
        return name

    def openai(self, key: str | None = None) -> OpenAI:
        """Return the real SDK, without retries."""
        sdk = OpenAI(
            base_url=f"{self.url}/v1",
            api_key=self.key if key is None else key,
            max_retries=0,
            timeout=PATIENCE_S,
        )
        self.sdks.append(sdk)
        return sdk

    def reset(self) -> None:
        """Forget what the meter noted; nothing may be open any more."""
        while self.sdks:
            self.sdks.pop().close()
        meter = self.meter
        meter.release()
        meter.is_away = False
        meter.unpriced.clear()
        self.limit()
        for notes in (meter.admissions, meter.voided, meter.settled, meter.corrections):
            notes.clear()


@contextmanager
def running_gateway(**options: Any) -> Iterator[RunningGateway]:
    """Run a gateway with these `GatewayOptions` until the block ends."""
    chosen = GatewayOptions(**options)
    loop = uvloop.new_event_loop() if chosen.loop == "uvloop" else _selector_loop()
    thread = threading.Thread(target=_run, args=(loop,), daemon=True)
    thread.start()
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    listener.setblocking(False)
    composed = asyncio.run_coroutine_threadsafe(_compose(chosen, listener), loop)
    gateway = composed.result(PATIENCE_S)
    serving = asyncio.run_coroutine_threadsafe(
        gateway.server.serve(sockets=[listener]), loop
    )
    try:
        gateway.open()
        yield gateway
    finally:
        gateway.reset()
        gateway.client.close()
        gateway.server.should_exit = True
        serving.result(PATIENCE_S)
        for closing in (gateway.counting.close(), gateway.pool.close()):
            asyncio.run_coroutine_threadsafe(closing, loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


async def _compose(options: GatewayOptions, listener: socket.socket) -> RunningGateway:
    loop = asyncio.get_running_loop()
    meter = RecordingMeter(loop)
    snapshot, metrics, live = Snapshot(), GatewayMetrics(), LiveRequests()
    pool = EnginePool(timeouts=options.timeouts)
    counting = _counting(options, pool, snapshot)
    rates = Rates(limiter=MemoryLimiter(), metrics=metrics)
    readiness = {"database": True}
    proxies = Proxies.parse(options.trusted_proxies)
    authenticator = Authenticator(
        snapshot=snapshot,
        secret=PEPPER,
        now_us=lambda: NOW_US,
        has_started=lambda: readiness["database"],
        proxies=proxies,
    )
    admissions = Admissions(
        limits=LimitsInForce(snapshot),
        rates=rates,
        holds=Holds(meter, counting, metrics),
        meter=meter,
        live=live,
        idempotency=Idempotency(MemoryClaims(meter), PEPPER),
        now_us=lambda: NOW_US,
    )
    salts = CacheSalts(PEPPER)
    scheduler = _scheduler(snapshot)
    refusals = Refusals("gateway-t", lambda: NOW_US)
    app = Gateway(
        generation=Generation(
            authenticator=authenticator,
            snapshot=snapshot,
            turns=Turns(scheduler, snapshot, salts, options.keep_alive_s),
            meter=meter,
            attempts=Attempts(pool=pool, salts=salts),
            counting=counting,
            admissions=admissions,
            keeping=Keeping(_no_answers(), meter),
            metrics=metrics,
            body_bytes_max=options.body_bytes_max,
        ),
        models=ModelList(authenticator, snapshot, meter, lambda: NOW_US),
        probes=Probes(
            lambda: readiness,
            MetricsPage(metrics, gateway="gateway-t", gauges={}, counters={}),
        ),
        passthrough=Passthrough(
            pool=pool,
            web_url=options.web_url,
            body_bytes_max=options.body_bytes_max,
            proxies=proxies,
        ),
        metrics=metrics,
        refusals=refusals,
    )
    return RunningGateway(
        loop,
        listener.getsockname()[1],
        meter,
        snapshot,
        metrics,
        live,
        pool,
        _server(options, app, live),
        counting,
        rates,
        readiness,
        refusals,
    )


def _counting(
    options: GatewayOptions, pool: EnginePool, snapshot: Snapshot
) -> Counting:
    patience_s = options.count_patience_s
    return Counting(
        pool, snapshot, TokenizerPool(), patience_s=patience_s, pause_s=0.05
    )


def _scheduler(snapshot: Snapshot) -> FairScheduler:
    """Give turns as the product does; nobody probes the engines."""
    shares = WholeShares()
    health = ReplicaHealth(now=asyncio.get_running_loop().time)
    fleet = Fleet(snapshot, health, shares, new_policies())
    scheduler = FairScheduler(fleet, shares=shares, retries=RetryBudget())
    health.on_well = scheduler.dispatch
    return scheduler


def _no_answers() -> KeptAnswers:
    return KeptAnswers(MemoryCache(bytes_max=CACHE_BYTES_MAX), PEPPER)


def _server(options: GatewayOptions, app: App, live: LiveRequests) -> GatewayServer:
    protocol = type(
        "Connection",
        (ClientConnection,),
        {
            "stall_s_max": options.stall_s_max,
            "head_s_max": options.head_s_max,
            "body_grace_s": options.body_grace_s,
        },
    )
    config = uvicorn.Config(
        options.around(app) if options.around else app,
        http=protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(options.drain_s) + 5,
    )
    return GatewayServer(config, live=live, drain_s=options.drain_s)


def _selector_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
