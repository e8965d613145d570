"""Ask for credit to be paid on the provider's page, or give that up again.

Nothing is called here: whoever asks runs in a transaction, and holds no key of the
provider. The worker is told once that is committed, and finds the row by its scan if
the message is lost.

Failure: while one is open another is refused; the same one again is answered as it is.
Owns: what people ask for.
"""

import datetime as dt

from celery import current_app
from django.conf import settings
from django.db import transaction

from kit.errors import Conflict
from kit.ids import uuid7
from kit.orm.atomic import atomic
from kit.orm.roles import current_alias
from kit.orm.saving import change, create
from metering.billing.accounts import account_name_for
from metering.collection.models import Purchase
from metering.topups.models import TopUp
from metering.topups.services import OFFLINE, ask_top_up
from tenants.models import Tenant

TASK = "collection.advance_purchases"
State = Purchase.State


def ask_checkout(*, tenant: Tenant, amount_minor: int, now: dt.datetime) -> Purchase:
    """Ask for credit that a person pays for; its page is there within seconds.

    A page that waits to be paid for the same amount is answered again. Raises
    `Conflict` while another top-up is open.
    """
    with atomic():
        waiting = Purchase.objects.filter(
            tenant=tenant,
            way=Purchase.Way.CHECKOUT,
            state__in=Purchase.UNDER_WAY,
            top_up__amount_minor=amount_minor,
            cancel_asked_at=None,
        ).first()
        if waiting is not None:
            return waiting
        top_up = ask_top_up(
            tenant=tenant, amount_minor=amount_minor, now=now, way=TopUp.Way.CHECKOUT
        )
        return begin(top_up=top_up, way=Purchase.Way.CHECKOUT, now=now)


def pay_on_page(*, top_up: TopUp, now: dt.datetime) -> Purchase:
    """Let a person pay for a top-up that waits for a payment method.

    Raises `Conflict` for one that is not due, or that is paid by its invoice.
    """
    if top_up.way == TopUp.Way.INVOICE or settings.BILLING_PROVIDER == OFFLINE:
        raise Conflict("This top-up is paid by its invoice.")
    with atomic():
        waiting = Purchase.objects.filter(
            top_up=top_up, way=Purchase.Way.CHECKOUT, state__in=Purchase.UNDER_WAY
        ).first()
        if waiting is not None:
            return waiting
        if top_up.state != TopUp.State.DUE:
            raise Conflict(f"This top-up is {top_up.state}: nothing is to be paid.")
        return begin(top_up=top_up, way=Purchase.Way.CHECKOUT, now=now)


def begin(*, top_up: TopUp, way: Purchase.Way, now: dt.datetime) -> Purchase:
    """Write an attempt at being paid for a top-up; one at a time, by constraint."""
    account = account_name_for(top_up.currency)
    row = Purchase(
        public_id=uuid7(int(now.timestamp() * 1000)),
        tenant=top_up.tenant,
        top_up=top_up,
        way=way,
        account=account,
        currency=top_up.currency,
        asked_at=now,
        look_at=now,
    )
    with atomic():
        create(row, action="ask")
        tell_worker()
    return row


def ask_to_cancel(*, purchase: Purchase, now: dt.datetime) -> Purchase:
    """Ask for a page to be closed; paid meanwhile, it is paid, and closed stays closed.

    Raises `Conflict` for what has ended, and for what no person pays.
    """
    if purchase.way != Purchase.Way.CHECKOUT:
        raise Conflict("It is paid by the default payment method: wait for it.")
    with atomic():
        if purchase.state == State.CANCELLED:
            return purchase
        if purchase.state not in Purchase.UNDER_WAY:
            raise Conflict(f"It is {purchase.state}: nothing is to be cancelled.")
        if purchase.cancel_asked_at is None:
            change(purchase, {"cancel_asked_at": now, "look_at": now}, action="cancel")
            tell_worker()
    return purchase


def tell_worker() -> None:
    """Have the worker look once this is committed; a lost call costs till its scan."""
    transaction.on_commit(_tell, using=current_alias(), robust=True)


def _tell() -> None:
    current_app.send_task(TASK, retry=False)
