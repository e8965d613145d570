"""Finance's pages of a line of an invoice, and of a day of it.

Failure: as `pages.explained` says.
"""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.orm.snapshot import snapshot
from metering.billing.models import Invoice
from metering.billing.selectors import invoice_by_public_id
from pages.access import staff_page
from pages.design.address import query_of
from pages.design.files import wants_file
from pages.explained import REQUESTS, Frame, day_file, day_page, line_page
from pages.finance.sections import ALL_FIGURES

_NAMES = ("finance:invoice", "finance:explained_line", "finance:explained_day")


@require_safe
@staff_page(*ALL_FIGURES)
def line(request: HttpRequest, public_id: UUID, position: int) -> HttpResponse:
    """Show the days that a line of an invoice charges, or counts."""
    with snapshot():
        invoice = invoice_by_public_id(public_id)
        return line_page(request, invoice, position, FRAME)


@require_safe
@staff_page(*ALL_FIGURES)
def day(
    request: HttpRequest, public_id: UUID, position: int, date: str
) -> HttpResponse:
    """Show the requests of a day that a line charges, a page at a time."""
    if wants_file(REQUESTS, query_of(request.GET)):
        return day_file(request, invoice_by_public_id(public_id), position, date)
    with snapshot():
        invoice = invoice_by_public_id(public_id)
        return day_page(request, invoice, position, date, FRAME)


def _leads(invoice: Invoice, *place: int | str) -> str:
    return reverse(_NAMES[len(place)], args=[invoice.public_id, *place])


FRAME = Frame(
    _leads, "pages/finance/page.html", "pages/finance/explained_day.html", more={}
)
