"""Freeze what a purchase asks for, before anybody is asked: amount, tax and wording.

Tax is that of our own rates, or computed by the provider (`calculating`). What is
frozen makes the lines of its invoice again, to the byte, whatever holds by then.

Failure: `QuoteBroken` for a quote whose lines are not what they were. Owns: quotes.
"""

import datetime as dt
from dataclasses import dataclass

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.saving import change
from metering.billing.lines import Lines
from metering.billing.rebuilding import top_up_lines
from metering.billing.services import TopUpQuote, quote_top_up
from metering.collection.models import Purchase
from metering.topups import services as topups


class QuoteBroken(Exception):
    """What a purchase was quoted cannot be made again."""


def own_quote(*, purchase: Purchase, now: dt.datetime) -> TopUpQuote:
    """Say what a purchase costs now by our own tax rates."""
    top_up = purchase.top_up
    return quote_top_up(
        tenant=purchase.tenant,
        amount_minor=top_up.amount_minor,
        reference=top_up.reference,
        now=now,
    )


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays, and with what where no person chooses: references of the provider's."""

    customer: str
    method: str = ""


def freeze(
    *, purchase: Purchase, quote: TopUpQuote, payer: Payer, now: dt.datetime
) -> Purchase:
    """Keep a quote; the top-up's payment is under way with it.

    One that is frozen already stays as it is. Raises `Conflict` where the top-up is not
    to be paid any more.
    """
    with atomic():
        is_under_way = topups.begin_payment(top_up=purchase.top_up)
        row = Purchase.objects.select_for_update(of=("self",)).get(pk=purchase.pk)
        if row.state != Purchase.State.ASKED:
            return row
        if not is_under_way:
            raise Conflict("This top-up is not to be paid any more.")
        changes: dict[str, object] = {
            "state": Purchase.State.QUOTED,
            "subtotal_minor": quote.lines.subtotal_minor,
            "tax_minor": quote.lines.tax_minor,
            "total_minor": quote.lines.amount_minor,
            "basis": quote.basis,
            "lines_sha256": quote.lines.sha256,
            "customer": payer.customer,
            "method": payer.method,
            "quoted_at": now,
        }
        change(row, changes, action="quote")
    return row


def lines_of(purchase: Purchase) -> Lines:
    """Make the lines of a quoted purchase again; raises `QuoteBroken`."""
    lines = top_up_lines(
        purchase.subtotal_minor, basis=purchase.basis, currency=purchase.currency
    )
    if lines.sha256 != purchase.lines_sha256:
        raise QuoteBroken(f"{purchase} was quoted with other lines")
    return lines
