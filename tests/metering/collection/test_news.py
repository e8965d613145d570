"""News that nobody needs to read anything for is left, as Stripe says it."""

from collections import Counter
from typing import Any

from metering.billing.providers.stripe.client.events import event_of
from metering.inbox.handlers import is_wanted
from metering.inbox.told import told_by
from tests.metering.collection.following.conftest import scene
from tests.metering.collection.following.scene import Scene
from tests.standins.stripe.world import balances

__all__ = ["scene"]


def wanted(events: list[dict[str, Any]]) -> Counter[str]:
    """Count the events that somebody acts on, by type."""
    return Counter(
        event["type"] for event in events if is_wanted(told_by(event_of(event)))
    )


def test_an_invoice_and_its_money_are_read_for_their_own_news_alone(
    scene: Scene,
) -> None:
    scene.pay(scene.issue(1000))
    types = {event["type"] for event in scene.events()}
    assert {"customer.updated", "payment_intent.succeeded"} <= types
    found = wanted(scene.events())
    assert {each.split(".")[0] for each in found} == {"invoice", "invoice_payment"}


def test_a_customers_balance_says_nothing_of_its_methods(scene: Scene) -> None:
    invoice = scene.issue(1000)
    [customer] = scene.account.customers.values()
    with scene.standin.engine.opened(scene.account) as account:
        balances.adjust(account, customer, 500, currency="usd")
    assert scene.events("customer.updated")
    assert not wanted(scene.events("customer."))
    assert invoice.state == "open"
