"""News of pages and payments: whose purchase it is, and to look at that.

Failure: news of a purchase that the worker is about to note is `NotYet`; news of
payments of others is none of ours.
"""

import datetime as dt

from metering.collection.buying.looking import look
from metering.collection.buying.verifying import PURCHASE_MARK
from metering.collection.models import Purchase
from metering.collection.providing import client_of
from metering.inbox.handlers import NotYet, handles
from metering.inbox.told import Told


@handles("checkout.session.*")
def page_changed(
    account: str, object_id: str, event_type: str, now: dt.datetime
) -> None:
    """Look at the purchase of a page."""
    row = Purchase.objects.filter(account=account, session=object_id).first()
    if row is None:
        marks = client_of(account).checkouts.read(object_id).metadata
        row = _marked(account, marks.get(PURCHASE_MARK))
    if row is not None:
        _look(row, now)


def _is_ours(told: Told) -> bool:
    return told.marks is None or PURCHASE_MARK in told.marks


@handles("payment_intent.*", wants=_is_ours)
def payment_changed(
    account: str, object_id: str, event_type: str, now: dt.datetime
) -> None:
    """Look at the purchase of a payment."""
    row = Purchase.objects.filter(account=account, intent=object_id).first()
    if row is None:
        marks = client_of(account).payments.read(object_id).metadata
        row = _marked(account, marks.get(PURCHASE_MARK))
    if row is not None:
        _look(row, now)


def _marked(account: str, mark: str | None) -> Purchase | None:
    """Return the purchase of a mark; that of another account is none of this one's."""
    if mark is None:
        return None
    return Purchase.objects.filter(account=account, public_id=mark).first()


def _look(row: Purchase, now: dt.datetime) -> None:
    if row.state == Purchase.State.PAID:
        return
    if not row.session and not row.intent:
        raise NotYet(f"{row} is being asked for")
    look(purchase=row, now=now)
