"""An installation to break: gateways, engines, PostgreSQL, Valkey, a proxy per edge.

Every gateway has a line of its own to PostgreSQL and to Valkey, every engine one that
all gateways share, so that a fault can meet one of them alone. What the oracle asks
goes to the database itself, past every proxy. Failure: what does not come up raises.
Owns: the processes and the proxies, gone after `running_cluster`.
"""

import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from django.conf import settings as django_settings

from config.local.children import LOOPBACK
from tests.chaos.processes import (
    PATHS,
    PostgresServer,
    Running,
    lasting_port,
    listens,
    simulator,
    valkey,
)
from tests.chaos.proxies import Edge, PostgresEdge
from tests.chaos.world import Customer, in_django, make_customers, make_engines
from tests.databases import Database

_GATEWAY = (sys.executable, "-m", "config.gateway")
PACE_MS = 50
# Streams end well before the supervisor of a deployment would lose its patience.
DRAIN_MS = 3000
READY_SECONDS_MAX = 60.0
POLL_S = 0.02


@dataclass(slots=True, eq=False)
class Gateway:
    """One gateway process, and its lines to PostgreSQL and to Valkey."""

    name: str
    port: int
    process: Running
    postgres: PostgresEdge
    valkey: Edge
    journals: Path
    # Whether clients are to ask it: not while it is known to be gone.
    is_in_turn: bool = False

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://{LOOPBACK}:{self.port}"

    def forget_journal(self) -> None:
        """Lose what the machine's disk held of it, as with the machine."""
        for path in self.journals.glob("*"):
            path.unlink()


@dataclass(slots=True, eq=False)
class Engine:
    """One engine process, and the line to it."""

    process: Running
    port: int
    edge: Edge


@dataclass(slots=True)
class Cluster:
    """Everything that can be broken, and the customers whose bills must be right."""

    database: Database
    gateways: list[Gateway]
    engines: list[Engine]
    valkey: Running
    server: PostgresServer | None
    customers: Sequence[Customer]
    http: httpx.AsyncClient
    dice: random.Random
    memory: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def ready(self) -> list[Gateway]:
        """Return the gateways that clients may ask."""
        return [each for each in self.gateways if each.is_in_turn]

    async def is_ready(self, gateway: Gateway) -> bool:
        """Tell whether a gateway says that it takes requests."""
        with contextlib.suppress(httpx.TransportError):
            answer = await self.http.get(f"{gateway.url}/readyz", timeout=2)
            return answer.status_code == httpx.codes.OK
        return False

    async def start(self, gateway: Gateway) -> None:
        """Start a gateway, and let clients ask it once it is ready and knows them."""
        gateway.process.start()
        await self.until_ready(gateway)

    async def until_ready(self, gateway: Gateway) -> None:
        """Let clients ask a gateway once it is ready."""
        await gateway.process.until(lambda: self.is_ready(gateway))
        gateway.is_in_turn = True

    async def restart(self, gateway: Gateway) -> float:
        """Kill a gateway, start it again; return how long it was away."""
        began = time.monotonic()
        gateway.is_in_turn = False
        gateway.process.kill()
        await self.start(gateway)
        return time.monotonic() - began

    async def behave(self, *engines: Engine, **behaviour: Any) -> None:
        """Tell engines, all where none is named, how to behave from now on."""
        for engine in engines or self.engines:
            url = f"http://{LOOPBACK}:{engine.port}/simulator/settings"
            (await self.http.post(url, json=behaviour)).raise_for_status()

    async def stats(self, engine: Engine) -> dict[str, int]:
        """Return an engine's own log."""
        url = f"http://{LOOPBACK}:{engine.port}/simulator/stats"
        counts: dict[str, int] = (await self.http.get(url)).json()
        return counts

    async def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database itself, as its superuser."""
        url = self.database.server.rpartition("/")[0] + f"/{self.database.name}"
        async with await psycopg.AsyncConnection.connect(url) as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall()

    def weight(self, gateway: Gateway) -> int:
        """Return how much memory a gateway holds, in bytes."""
        statm = Path(f"/proc/{gateway.process.pid}/statm").read_text()
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def weigh(self) -> None:
        """Note how much memory each gateway holds now, each of its lives apart."""
        for gateway in self.gateways:
            with contextlib.suppress(OSError):
                life = f"{gateway.name}.{gateway.process.lives}"
                weights = self.memory.setdefault(life, [])
                weights.append((time.monotonic(), self.weight(gateway)))


@contextlib.asynccontextmanager
async def running_cluster(
    database: Database,
    folder: Path,
    *,
    gateways: int,
    engines: int,
    server: PostgresServer | None,
    seed: int,
    one_host: bool = True,
    has_direct_engines: bool = False,
    **env: str,
) -> AsyncIterator[Cluster]:
    """Run everything until the block ends; `env` is of the gateways.

    On one host the gateways' journals lie in one folder, and each can read what a dead
    one has left; else nobody can. Direct engines have no proxy before them.
    """
    dice = random.Random(seed)
    async with contextlib.AsyncExitStack() as stack:
        store_port = lasting_port()
        store = valkey(folder, store_port)
        stack.callback(store.kill)
        store.start()
        made = [
            await _engine(stack, folder, f"engine-{number + 1}")
            for number in range(engines)
        ]
        ports = [
            each.port if has_direct_engines else each.edge.listens_at for each in made
        ]
        customers = await asyncio.to_thread(
            _furnish, [f"http://{LOOPBACK}:{port}" for port in ports]
        )
        front = []
        for name in (f"chaos-gateway-{number + 1}" for number in range(gateways)):
            journals = folder / "journals" / ("shared" if one_host else name)
            journals.mkdir(parents=True, exist_ok=True)
            more = {"JOURNAL_DIR": str(journals), **env}
            front.append(
                await _gateway(stack, database, folder, name, store_port, dice, more)
            )
        http = await stack.enter_async_context(
            httpx.AsyncClient(trust_env=False, timeout=30)
        )
        cluster = Cluster(database, front, made, store, server, customers, http, dice)
        await store.until(lambda: listens(store_port))
        for gateway in front:
            gateway.process.start()
        await asyncio.gather(*map(cluster.until_ready, front))
        yield cluster


def _furnish(urls: Sequence[str]) -> list[Customer]:
    def furnish() -> list[Customer]:
        make_engines(urls)
        return make_customers()

    return in_django(furnish)


async def _engine(stack: contextlib.AsyncExitStack, folder: Path, name: str) -> Engine:
    port = lasting_port()
    pace = ("--first-token-ms", "20", "--inter-token-ms", str(PACE_MS))
    process = simulator(folder, name, port, *pace)
    stack.callback(process.kill)
    process.start()
    await process.until(lambda: listens(port))
    edge = await stack.enter_async_context(Edge(LOOPBACK, port))
    return Engine(process, port, edge)


async def _gateway(
    stack: contextlib.AsyncExitStack,
    database: Database,
    folder: Path,
    name: str,
    store_port: int,
    dice: random.Random,
    env: Mapping[str, str],
) -> Gateway:
    url = database.url_for("gateway")
    postgres = PostgresEdge.before(url)
    postgres.dice = random.Random(dice.random())
    await stack.enter_async_context(postgres)
    store = await stack.enter_async_context(Edge(LOOPBACK, store_port))
    port = lasting_port()
    chosen = {
        **PATHS,
        "KEY_PEPPER": django_settings.KEY_PEPPER.decode(),
        "DATABASE_URL": database.url_for("owner"),
        "DATABASE_GATEWAY_URL": postgres.url(url),
        "DRAIN_MS": str(DRAIN_MS),
        "GATEWAY_NAME": name,
        "LOG_LEVEL": "INFO",
        "PORT": str(port),
        "REDIS_URL": f"redis://{LOOPBACK}:{store.listens_at}/0",
        **env,
    }
    process = Running(name, _GATEWAY, folder, chosen)
    stack.callback(process.kill)
    return Gateway(name, port, process, postgres, store, Path(env["JOURNAL_DIR"]))
