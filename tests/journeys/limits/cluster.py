"""Several gateway processes before one simulated engine, and tenants with budgets.

Everything is asked for from outside: requests over HTTP, limits by the services that
the API calls, the truth from the tables at rest.
"""

import contextlib
import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg

from kit.contracts import LinearPrice
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from metering.usage.services import renew_calendar
from tenants.models import Budget, Quota, RateLimit
from tests.databases import Database
from tests.factories.control import make_model, make_replica
from tests.factories.pricing import make_assignment, make_book, make_price
from tests.factories.tenants import make_key, make_tenant
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    running_simulator,
)
from tests.journeys.gateways import GatewayUnderTest, running_gateways

MODEL = "demo-model"
QUIET_S_MAX = 30.0


@dataclass(frozen=True)
class Customer:
    """A tenant, its key, and what its tokens cost."""

    tenant_id: int
    project_id: int
    api_key_id: int
    key: str
    price: LinearPrice

    def cost(self, *, prompt_tokens: int, output_tokens: int) -> int:
        """Return what so many tokens cost, in picos."""
        price = self.price
        return prompt_tokens * price.input_picos + output_tokens * price.output_picos


@dataclass(frozen=True)
class Books:
    """What the database says of one customer, at rest."""

    posted: int
    charged: int
    leased: int
    requests: int


@dataclass
class Cluster:
    """The processes and the engine; makes customers and reads the books."""

    database: Database
    gateways: list[GatewayUnderTest]
    engine: RunningSimulator
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def customer(self, *, input_rate: str = "3", output_rate: str = "15") -> Customer:
        """Make a tenant with a key and a price book of its own; rates per million."""
        with as_operator(), atomic():
            number = next(self._numbers)
            tenant = make_tenant(slug=f"customer-{number}")
            renew_calendar(tenant=tenant, now=dt.datetime.now(dt.UTC))
            key = make_key(tenant=tenant)
            book = make_book()
            rates = (input_rate, input_rate, output_rate)
            price = make_price(model=MODEL, book=book, per_million=rates)
            make_assignment(tenant=tenant, book=book)
        return Customer(tenant.pk, key.row.project_id, key.row.pk, key.key, price)

    def limit(self, customer: Customer, picos: int, **fields: Any) -> Budget:
        """Give a tenant a hard budget for ever, or what `fields` say."""
        with as_operator(), atomic():
            return Budget.objects.create(
                **{
                    "tenant_id": customer.tenant_id,
                    "level": "tenant",
                    "window": "forever",
                    "amount_picos": picos,
                    "currency": "USD",
                    **fields,
                }
            )

    def rate(self, customer: Customer, value: int, unit: str, window: str) -> None:
        """Give a tenant a rate limit; concurrent requests have no window."""
        with as_operator(), atomic():
            RateLimit.objects.create(
                tenant_id=customer.tenant_id,
                level="tenant",
                unit=unit,
                window=window,
                value=value,
            )

    def quota(self, customer: Customer, tokens: int, **fields: Any) -> Quota:
        """Give a tenant a hard quota for ever, or what `fields` say."""
        with as_operator(), atomic():
            return Quota.objects.create(
                **{
                    "tenant_id": customer.tenant_id,
                    "level": "tenant",
                    "window": "forever",
                    "value": tokens,
                    **fields,
                }
            )

    def await_published(self, customer: Customer) -> None:
        """Return once every process knows the customer, its price and its limits."""
        [(version,)] = self.rows("SELECT version FROM control_publicationversion")
        deadline = time.monotonic() + QUIET_S_MAX
        while not all(_knows(each, customer, version) for each in self.gateways):
            assert time.monotonic() < deadline, "a process does not follow"
            time.sleep(0.01)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database as its owner, whom no policy holds."""
        with psycopg.connect(self.database.url_for("owner")) as connection:
            return connection.execute(statement, values).fetchall()

    def books(self, customer: Customer) -> Books:
        """Return what is posted, charged and leased now."""
        [(posted, leased)] = self.rows(
            "SELECT coalesce(sum(posted), 0), coalesce((SELECT sum(amount)"
            " FROM budgets_lease lease WHERE lease.tenant_id = %s), 0)"
            " FROM budgets_window WHERE tenant_id = %s",
            customer.tenant_id,
            customer.tenant_id,
        )
        [(charged, requests)] = self.rows(
            "SELECT coalesce(sum(charge_picos), 0), count(*) FILTER (WHERE kind = 0)"
            " FROM usage_event WHERE tenant_id = %s",
            customer.tenant_id,
        )
        return Books(int(posted), int(charged), int(leased), requests)

    def at_rest(self, customer: Customer) -> Books:
        """Return the books once every lease is given back."""
        deadline = time.monotonic() + QUIET_S_MAX
        while (books := self.books(customer)).leased:
            assert time.monotonic() < deadline, f"leases stay: {books}"
            time.sleep(0.05)
        return books


@contextlib.contextmanager
def running_cluster(
    database: Database, folder: Path, *, gateways: int = 4, **settings: str
) -> Iterator[Cluster]:
    """Run an engine and so many gateway processes until the block ends."""
    with running_simulator() as engine:
        with as_operator():
            model = make_model(name=MODEL)
            make_replica(model=model, url=engine.base_url, upstream_model="sim")
        with running_gateways(
            database, folder, count=gateways, **settings
        ) as processes:
            yield Cluster(database, processes, engine)


def _knows(gateway: GatewayUnderTest, customer: Customer, version: int) -> bool:
    headers = {"authorization": f"Bearer {customer.key}"}
    answer = gateway.client.get("/v1/models", headers=headers)
    return (
        gateway.snapshot_version() >= version
        and answer.status_code == httpx.codes.OK
        and any(each["id"] == MODEL for each in answer.json()["data"])
    )
