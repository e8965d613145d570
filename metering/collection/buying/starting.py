"""Ask the provider for a quoted purchase: a page to be paid on, or a payment by method.

What the provider holds is read before it is asked again, and adopted by its marks; so
however often a worker dies or an answer is lost, one purchase is one page or one
payment.

Failure: what the outbox raises. Owns: the references of purchases.
"""

import datetime as dt
from typing import TYPE_CHECKING

from kit.orm.atomic import atomic
from kit.orm.saving import change
from metering.billing import operations
from metering.billing.operations import Call
from metering.billing.providers.stripe.customers import PROVIDER
from metering.collection.buying import requests
from metering.collection.buying.quoting import lines_of
from metering.collection.buying.verifying import PURCHASE_MARK
from metering.collection.models import Purchase

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount
    from metering.billing.providers.stripe.client.checkout import RemoteCheckout
    from metering.billing.providers.stripe.client.payments import RemotePayment

State = Purchase.State


def open_page(
    client: "StripeAccount", purchase: Purchase, *, now: dt.datetime
) -> "RemoteCheckout":
    """Return the page of a purchase, opened now unless it is there already."""

    def keep(page: "RemoteCheckout") -> str:
        _keep(purchase, session=page.reference, url=page.url)
        return page.reference

    call = call_for(purchase, "checkout")
    if operations.attempted(call):
        mark = str(purchase.public_id)
        for page in client.checkouts.of_customer(purchase.customer):
            if page.metadata.get(PURCHASE_MARK) == mark:
                with atomic():
                    operations.adopt(call, reference=keep(page), now=now)
                return page
    params = requests.page(purchase, lines_of(purchase))
    return operations.perform(
        call,
        send=lambda key: client.checkouts.create(params, key=key),
        record=keep,
        now=now,
    )


def ask_payment(
    client: "StripeAccount", purchase: Purchase, *, now: dt.datetime
) -> "RemotePayment":
    """Return the payment of a purchase, asked for now unless it is there already."""

    def keep(payment: "RemotePayment") -> str:
        _keep(purchase, intent=payment.reference)
        return payment.reference

    call = call_for(purchase, "payment")
    if operations.attempted(call):
        mark = str(purchase.public_id)
        for payment in client.payments.of_customer(purchase.customer):
            if payment.metadata.get(PURCHASE_MARK) == mark:
                with atomic():
                    operations.adopt(call, reference=keep(payment), now=now)
                return payment
    params = requests.payment(purchase)
    return operations.perform(
        call,
        send=lambda key: client.payments.create(params, key=key),
        record=keep,
        now=now,
    )


def close_page(
    client: "StripeAccount", purchase: Purchase, *, now: dt.datetime
) -> "RemoteCheckout":
    """Close the page of a purchase; `CallRefused` says that it was paid meanwhile."""
    return operations.perform(
        call_for(purchase, "close_checkout"),
        send=lambda key: client.checkouts.expire(purchase.session, key=key),
        record=lambda page: page.reference,
        now=now,
    )


def note_closed(purchase: Purchase, *, now: dt.datetime) -> None:
    """Take it as read that a page is closed, whatever our asking for it came to."""
    call = call_for(purchase, "close_checkout")
    operations.adopt(call, reference=purchase.session, now=now)


def give_up_payment(
    client: "StripeAccount", purchase: Purchase, intent: str, *, now: dt.datetime
) -> "RemotePayment":
    """Give a payment up that its method refused: nobody makes it later."""
    return operations.perform(
        call_for(purchase, "cancel_payment"),
        send=lambda key: client.payments.cancel(intent, key=key),
        record=lambda payment: payment.reference,
        now=now,
    )


def note_given_up(purchase: Purchase, *, now: dt.datetime) -> None:
    """Take it as read that nobody makes a payment, whatever our asking came to."""
    call = call_for(purchase, "cancel_payment")
    operations.adopt(call, reference=purchase.intent, now=now)


def call_for(purchase: Purchase, name: str) -> Call:
    """Return what is asked of the provider for a purchase."""
    subject = str(purchase.public_id)
    return Call(PROVIDER, purchase.account, name, subject, purchase.tenant_id)


def _keep(purchase: Purchase, **references: str) -> None:
    """Note what the provider calls it; it may have been completed meanwhile."""
    with atomic():
        row = Purchase.objects.select_for_update(of=("self",)).get(pk=purchase.pk)
        state = State.OPEN if row.state == State.QUOTED else State(row.state)
        change(row, {**references, "state": state}, action="open")
