"""Read from the provider what has become of a purchase, and let it follow.

Called for news of it, and by the scan for all that are under way: both do the same, so
news that is lost costs a few minutes.

Failure: what the provider's calls raise; the purchase stays as it was. Owns: nothing.
"""

import datetime as dt
from typing import TYPE_CHECKING

from metering.collection.buying import deciding, starting
from metering.collection.buying.completing import complete
from metering.collection.buying.deciding import Kind, Outcome
from metering.collection.buying.ending import end_unpaid
from metering.collection.methods import customer_with, prefer_first
from metering.collection.models import Purchase
from metering.collection.providing import client_of

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount
    from metering.billing.providers.stripe.client.payments import RemotePayment

# A page stays open that long: no other credit is bought meanwhile, by rule either.
PAGE_LIFE = dt.timedelta(hours=1)
# Nobody can make such a payment any more.
_OVER = frozenset({"canceled", "succeeded"})


def look(*, purchase: Purchase, now: dt.datetime) -> Purchase:
    """Read a purchase that the provider knows, and complete or end it accordingly."""
    client = client_of(purchase.account)
    if purchase.way == Purchase.Way.CHECKOUT:
        _look_at_page(client, purchase, now)
    elif purchase.intent:
        payment = client.payments.read(purchase.intent)
        follow(client, purchase, payment, now=now)
    return Purchase.objects.select_related("tenant", "top_up").get(pk=purchase.pk)


def follow(
    client: "StripeAccount",
    purchase: Purchase,
    payment: "RemotePayment",
    *,
    now: dt.datetime,
) -> None:
    """Let a purchase by method follow its payment."""
    if payment.status in _OVER:
        starting.note_given_up(purchase, now=now)
    outcome = deciding.by_method(payment)
    if outcome.kind is Kind.FAILED and payment.status != "canceled":
        # First, so that nothing is left that could be paid after all.
        starting.give_up_payment(client, purchase, payment.reference, now=now)
    _act(purchase, outcome, payment, now)


def _look_at_page(
    client: "StripeAccount", purchase: Purchase, now: dt.datetime
) -> None:
    page = client.checkouts.read(purchase.session)
    payment = client.payments.read(page.intent) if page.intent else None
    if page.status != "open":
        starting.note_closed(purchase, now=now)
    outcome = deciding.on_page(page, payment)
    is_over = purchase.cancel_asked_at is not None or (
        now - purchase.asked_at >= PAGE_LIFE
    )
    if outcome.kind is Kind.WAITING and page.status == "open" and is_over:
        # Refused, it was paid this moment: the next look sees that.
        starting.close_page(client, purchase, now=now)
        outcome = Outcome(Kind.CANCELLED, deciding.CLOSED_UNPAID)
    _act(purchase, outcome, payment, now)
    if outcome.kind is Kind.PAID:
        customer = customer_with(account=purchase.account, reference=purchase.customer)
        if customer is not None:
            prefer_first(customer=customer, now=now)


def _act(
    purchase: Purchase,
    outcome: Outcome,
    payment: "RemotePayment | None",
    now: dt.datetime,
) -> None:
    if outcome.kind is Kind.PAID and payment is not None:
        complete(purchase=purchase, found=payment, now=now)
    elif outcome.kind in (Kind.FAILED, Kind.CANCELLED):
        end_unpaid(purchase=purchase, outcome=outcome, now=now)
