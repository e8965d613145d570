"""Grant credit as its invoice is paid, in the transaction that pays it."""

import datetime as dt
from typing import Any

from metering.billing.models import Invoice
from metering.billing.paid import invoice_paid
from metering.topups.advancing import grant_paid


def connect() -> None:
    """Listen to payments."""
    invoice_paid.connect(_paid, dispatch_uid="topups.paid")


def _paid(invoice: Invoice, now: dt.datetime, **_: Any) -> None:
    if invoice.kind == Invoice.Kind.TOP_UP:
        grant_paid(invoice=invoice, now=now)
