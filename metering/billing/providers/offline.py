"""Issue invoices at once, on a page of this installation; they are paid by hand.

Failure: one transaction gives number and page, so that an invoice has both or is still
a draft.
"""

import datetime as dt

from django.conf import settings

from kit.orm.atomic import atomic
from metering.billing import services
from metering.billing.models import Invoice
from metering.billing.providers.base import (
    Progress,
    finished,
    hold,
    refusal,
    remember_page,
)


class OfflineProvider:
    """Needs nobody but us."""

    name = "offline"
    at_once = 1

    def advance(self, invoice: Invoice, *, now: dt.datetime) -> Progress:
        """Issue the invoice and open its page."""
        invoice.refresh_from_db()
        if finished(invoice):
            return Progress.FINISHED
        hold(invoice, refusal(invoice))
        if invoice.problem:
            return Progress.HELD
        with atomic():
            services.issue_invoice(invoice=invoice, now=now)
            invoice.refresh_from_db()
            remember_page(invoice, page_url(invoice))
        return Progress.FINISHED


def page_url(invoice: Invoice) -> str:
    """Return where people see the invoice."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/finance/invoices/{invoice.public_id}/"
