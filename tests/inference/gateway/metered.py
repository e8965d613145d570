"""The whole gateway process, in a thread, on a committed database of its own."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvloop
from django.conf import settings
from pydantic import SecretStr

from config.env import DatabaseSettings, GatewaySettings, SecretSettings
from config.gateway import GatewayProcess
from kit.orm.roles import as_operator
from metering.usage.models import Epoch, Event
from tenants.services import IssuedKey
from tests.databases import Database
from tests.factories.control import make_model, make_replica
from tests.factories.pricing import make_book, make_price
from tests.factories.tenants import make_key, make_tenant, midday_zone
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import PATIENCE_S, wait_until
from tests.journals import journal_folder

MODEL = "demo-model"


@dataclass(slots=True)
class MeteredGateway:
    """Where it listens, its one key, and what it has committed."""

    process: GatewayProcess
    port: int
    issued: IssuedKey
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        """Open a client with the key."""
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"authorization": f"Bearer {self.issued.key}"},
            timeout=PATIENCE_S,
        )

    def raw(self) -> RawClient:
        """Open a raw connection."""
        return RawClient(self.port, self.issued.key)

    def ask(self, model: str = MODEL, *, max_tokens: int = 2) -> httpx.Response:
        """Post a short chat."""
        messages = [{"role": "user", "content": "one two three"}]
        body = {"model": model, "messages": messages, "max_tokens": max_tokens}
        return self.client.post("/v1/chat/completions", json=body)


def seed(engine_url: str, *, priced: bool = True) -> IssuedKey:
    """Write a tenant with a key, a model with a replica, and its price."""
    model = make_model(name=MODEL)
    make_replica(model=model, url=engine_url, upstream_model="sim")
    if priced:
        make_price(model=MODEL, book=make_book(is_default=True))
    # No quota of a day begins anew while a test uses it up.
    return make_key(tenant=make_tenant(zone=midday_zone()))


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def events() -> list[Event]:
    """Return the committed events, in the order of their numbers."""
    with as_operator():
        return list(Event.objects.order_by("epoch_id", "seq"))


def epochs() -> list[Epoch]:
    """Return the epochs, in order."""
    with as_operator():
        return list(Epoch.objects.order_by("pk"))


@contextmanager
def metered_gateway(
    database: Database, issued: IssuedKey, **options: Any
) -> Iterator[MeteredGateway]:
    """Run a gateway process until the block ends; wait until it takes requests."""
    port = free_port()
    loop = uvloop.new_event_loop()
    created = asyncio.run_coroutine_threadsafe(_create(database, port, options), loop)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    process = created.result(PATIENCE_S)
    running = asyncio.run_coroutine_threadsafe(process.run(), loop)
    gateway = MeteredGateway(process, port, issued)
    try:
        wait_until(lambda: all(process.readiness().values()))
        wait_until(lambda: gateway.client.get("/v1/models").status_code == 200)
        yield gateway
    finally:
        gateway.client.close()
        process.server.should_exit = True
        running.result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


async def _create(
    database: Database, port: int, options: dict[str, Any]
) -> GatewayProcess:
    return await GatewayProcess.open(
        gateway=GatewaySettings(
            port=port,
            journal_dir=journal_folder(),
            journal_slots=1024,
            **options,
        ),
        database=DatabaseSettings(  # type: ignore[call-arg]
            database_url=database.url_for("owner"),
            database_gateway_url=database.url_for("gateway"),
        ),
        secrets=SecretSettings(key_pepper=SecretStr(settings.KEY_PEPPER.decode())),
    )
