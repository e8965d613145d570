"""Where a scenario takes place: at the stand-in, or in a real test account of Stripe.

Both are met through the same few acts, of people and of banks, so that a scenario is
written once. What only one of them can do is skipped with a reason by the other.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
import stripe

from metering.billing.models import Invoice
from metering.collection.models import Purchase
from metering.inbox.catching_up import catch_up
from metering.inbox.models import WebhookEvent
from metering.inbox.processing import process_next
from metering.usage.selectors import database_now
from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.visitor import Visitor

PATIENCE_S = 60.0
LOOKS_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Card:
    """A test card: its number for pages, its token for the API."""

    number: str
    token: str


PAYS = Card("4242424242424242", "pm_card_visa")
# Can be stored, and refuses each payment.
DECLINES = Card("4000000000000341", "pm_card_chargeCustomerFail")
IS_DISPUTED = Card("4000000000000259", "pm_card_createDispute")


class World(Protocol):
    """What people and banks do at Stripe."""

    stripe: stripe.StripeClient

    def pay(self, invoice: Invoice, card: Card) -> bool:
        """Try to pay an invoice; tell whether the bank let it through."""
        ...

    def buy(self, purchase: Purchase, card: Card) -> None:
        """Pay on a checkout's page."""
        ...

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the product hear what is new there until this holds."""
        ...


def hear() -> None:
    """Let the product list what is new, and see each of it through."""
    catch_up(now=database_now())
    while process_next(now=database_now()):
        pass


def problems() -> list[str]:
    """Return what the product could not see through."""
    rows = WebhookEvent.objects.exclude(problem="").order_by("pk")
    return [f"{row.type}: {row.problem}" for row in rows]


class StandInWorld:
    """A stand-in: people walk through its pages, and no second is waited for."""

    def __init__(self, standin: StripeStandIn, client: stripe.StripeClient) -> None:
        self.stripe = client
        self._standin = standin

    def pay(self, invoice: Invoice, card: Card) -> bool:
        """Pay on the invoice's page."""
        with Visitor() as person:
            person.open(invoice.hosted_url).press("Pay", card=card.number)
            return person.status == 200

    def buy(self, purchase: Purchase, card: Card) -> None:
        """Pay on the checkout's page; where it leads to is not there in tests."""
        with Visitor(stays_at=self._standin.url) as person:
            person.open(purchase.url).press("Pay", card=card.number)

    def until(self, condition: Callable[[], bool]) -> None:
        """Hear what is new; banks take a second or two for what is not there yet."""
        for _ in range(5):
            hear()
            if condition():
                return
            self._standin.advance(1)
        raise AssertionError(f"it never came: {problems()}")


class TestAccount:
    """A real account of Stripe in test mode; nobody is there to look at its pages."""

    __test__ = False

    def __init__(self, client: stripe.StripeClient) -> None:
        self.stripe = client

    def pay(self, invoice: Invoice, card: Card) -> bool:
        """Pay by a method of the customer's, as its page would."""
        remote = self.stripe.v1.invoices.retrieve(invoice.provider_reference)
        customer: Any = {"customer": str(remote.customer)}
        method = self.stripe.v1.payment_methods.attach(card.token, customer)
        try:
            self.stripe.v1.invoices.pay(remote.id, {"payment_method": method.id})
        except stripe.CardError:
            return False
        return True

    def buy(self, purchase: Purchase, card: Card) -> None:
        """Skip: a checkout is paid by a person at its page."""
        pytest.skip("a real checkout needs a person at its page")

    def until(self, condition: Callable[[], bool]) -> None:
        """Look every now and then, as events are listed a moment late."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            hear()
            if condition():
                return
            assert time.monotonic() < deadline, problems()
            time.sleep(LOOKS_EVERY_S)
