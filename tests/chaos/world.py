"""What the gateways serve in a chaos run: one model, and customers with budgets.

The budgets are large enough never to be felt, and are there so that every request
holds, draws and gives back leases. Failure: whatever the services raise.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.db import connections

from inference.routing.serving import Policy
from kit.contracts import LinearPrice
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from metering.usage.services import renew_calendar
from tenants.models import Budget
from tests.factories.control import make_model, make_replica
from tests.factories.pricing import make_assignment, make_book, make_price
from tests.factories.tenants import make_key, make_tenant

MODEL = "demo-model"
CUSTOMERS = 3
BUDGET_PICOS = 10**18

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Customer:
    """A tenant, its key, and what its tokens cost."""

    tenant_id: int
    key: str
    price: LinearPrice

    def cost(self, *, prompt_tokens: int, output_tokens: int) -> int:
        """Return what so many tokens cost, in picos."""
        price = self.price
        return prompt_tokens * price.input_picos + output_tokens * price.output_picos


def make_engines(urls: Sequence[str]) -> None:
    """Serve the model by the engines at these addresses.

    By load: prompts that are so alike would all go to one of them otherwise.
    """
    with as_operator():
        model = make_model(name=MODEL, policy=Policy.LEAST_LOADED)
        for url in urls:
            make_replica(model=model, url=url, upstream_model="sim")


def make_customers() -> list[Customer]:
    """Make the customers, each with a budget and a price book of its own."""
    return [_customer(number + 1) for number in range(CUSTOMERS)]


def _customer(number: int) -> Customer:
    with as_operator(), atomic():
        tenant = make_tenant(slug=f"customer-{number}")
        renew_calendar(tenant=tenant, now=dt.datetime.now(dt.UTC))
        key = make_key(tenant=tenant)
        book = make_book()
        rates = (str(2 + number), str(2 + number), str(10 + number))
        price = make_price(model=MODEL, book=book, per_million=rates)
        make_assignment(tenant=tenant, book=book)
        Budget.objects.create(
            tenant_id=tenant.pk,
            level="tenant",
            window="forever",
            amount_picos=BUDGET_PICOS,
            currency="USD",
        )
    return Customer(tenant.pk, key.key, price)


def in_django(do: Callable[[], Made]) -> Made:
    """Do what needs Django's connections, and keep none: the server may go away."""
    try:
        return do()
    finally:
        connections.close_all()
