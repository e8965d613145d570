"""A tenant's pages of a line of its invoice, and of a day of it.

Failure: as `pages.explained` says.
"""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from kit.scopes import Scope
from pages.console.billing.reading import issued_invoice, leads
from pages.console.place import place_page, require
from pages.explained import Frame, day_page, line_page
from tenants.models import Member


@require_safe
@place_page
def line(
    request: HttpRequest, *, place: Member, public_id: UUID, position: int
) -> HttpResponse:
    """Show the days that a line of an invoice charges, or counts."""
    require(Scope.BILLING_READ)
    invoice = issued_invoice(place.tenant, public_id)
    return line_page(request, invoice, position, _frame(place))


@require_safe
@place_page
def day(
    request: HttpRequest, *, place: Member, public_id: UUID, position: int, date: str
) -> HttpResponse:
    """Show the requests of a day that a line charges, a page at a time."""
    require(Scope.BILLING_READ)
    invoice = issued_invoice(place.tenant, public_id)
    return day_page(request, invoice, position, date, _frame(place))


def _frame(place: Member) -> Frame:
    return Frame(
        leads,
        "pages/console/page.html",
        "pages/console/billing/day.html",
        more={"place": place},
    )
