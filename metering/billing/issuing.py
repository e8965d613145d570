"""Issue invoices: give a draft its number, and post what its tenant owes.

Numbers are gapless per seller: one is taken from the seller's locked counter in the
very transaction that makes the draft an invoice, so a rollback gives it back. The
receivable is what is charged; what rounding added or took away goes to the rounding
account.

Failure: issuing again returns the invoice as it is. Which moment is the right one is
the provider's business. Owns: invoice numbers and the ledger's invoice transactions.
"""

import datetime as dt

from django.conf import settings

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.audited import tell
from metering.billing.booking import book_invoice
from metering.billing.models import Invoice, Seller
from metering.billing.paid import invoice_paid
from metering.billing.parties import buyer_details, seller_details
from metering.usage.zones import ONE_DAY, date_at

State = Invoice.State
_ISSUED = (
    "number",
    "state",
    "issued_at",
    "issued_date",
    "due_date",
    "buyer",
    "seller_details",
)


def issue_invoice(*, invoice: Invoice, now: dt.datetime) -> Invoice:
    """Give a draft its number, open and post it; an issued invoice stays as it is.

    Raises `Conflict` for a negative total, which takes a credit note, and for an
    invoice that is neither draft nor issued.
    """
    with atomic():
        locked = Invoice.objects.select_for_update().get(pk=invoice.pk)
        if locked.number is not None:
            return locked
        if locked.state != State.DRAFT:
            raise Conflict(
                f"Invoice {locked.public_id} is {locked.state}, not a draft."
            )
        if locked.amount_minor < 0:
            raise Conflict("The total is negative: it takes a credit note.")
        locked.number = _next_number(locked.seller_id, now)
        locked.state = State.OPEN
        locked.issued_at = now
        locked.issued_date = date_at(now, locked.tenant.zone)
        locked.due_date = locked.issued_date + settings.INVOICE_DAYS_UNTIL_DUE * ONE_DAY
        locked.buyer = buyer_details(locked.tenant)
        locked.seller_details = seller_details(locked.seller)
        if not locked.amount_minor:
            # Credit paid for all of it.
            locked.state = State.PAID
        locked.save(update_fields=_ISSUED)
        book_invoice(locked, now=now)
        tell(
            locked,
            action="issue",
            before={"state": State.DRAFT, "number": None},
            after={
                "state": locked.state,
                "number": locked.number,
                "currency": locked.currency,
                "amount_minor": locked.amount_minor,
            },
        )
        if locked.state == State.PAID:
            invoice_paid.send(sender=Invoice, invoice=locked, now=now)
        return locked


def _next_number(seller_id: int, now: dt.datetime) -> str:
    seller = Seller.objects.select_for_update().get(pk=seller_id)
    seller.last_number += 1
    seller.save(update_fields=["last_number"])
    year = now.astimezone(dt.UTC).year
    return f"{seller.number_prefix}{year}-{seller.last_number:06d}"
