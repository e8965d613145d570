"""The finance pages: usage and spend, and invoices. They read, and write nothing.

Each view parses its address, reads everything as of one moment, and renders. Failure: a
filter that makes no sense is 400 with the reason beside the field.
"""

import datetime as dt
from dataclasses import replace
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from kit.orm.snapshot import snapshot
from metering.billing.selectors import invoice_by_public_id
from metering.usage.selectors import billing_day, database_now
from pages.access import staff_page
from pages.finance.chart import Chart, charts
from pages.finance.choice import Choice, ChoiceForm, quick_ranges
from pages.finance.invoice import printed, recent
from pages.finance.report import Findings, findings

SEE_USAGE = "usage.view_dayrollup"
SEE_INVOICES = "billing.view_invoice"
# Gateways say every quarter of a second how far they are; later than this is worth a
# word.
FRESH = dt.timedelta(seconds=60)


@require_safe
@staff_page(SEE_USAGE, SEE_INVOICES)
def overview(request: HttpRequest) -> HttpResponse:
    """Show usage and spend by model, tenant and day, and the latest invoices."""
    with snapshot():
        now = database_now()
        form = ChoiceForm(request.GET, now=now)
        if not form.is_valid():
            return render(
                request, "pages/finance/overview.html", {"form": form}, status=400
            )
        choice = form.choice()
        today = _today(choice, now)
        found = findings(choice, now=now)
        context = {
            "form": form,
            "choice": choice,
            "quick_ranges": quick_ranges(choice, today=today),
            "found": found,
            "charts": _charts(choice, found, today),
            "invoices": recent(tenant=choice.tenant),
            "everything": replace(choice, tenant=None, model=None).address(
                choice.first, choice.last
            ),
            "so_far": choice.first <= today <= choice.last,
            "lags": now - found.complete_to > FRESH,
        }
    return render(request, "pages/finance/overview.html", context)


@require_safe
@staff_page(SEE_INVOICES)
def invoice(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show one invoice, ready to be printed."""
    with snapshot():
        found = invoice_by_public_id(public_id)
        context = {
            "invoice": found,
            "printed": printed(found),
            "days_until_due": settings.INVOICE_DAYS_UNTIL_DUE,
        }
    return render(request, "pages/finance/invoice.html", context)


def _today(choice: Choice, now: dt.datetime) -> dt.date:
    if choice.tenant is None:
        return now.astimezone(dt.UTC).date()
    return billing_day(tenant=choice.tenant, at=now).date


def _charts(choice: Choice, found: Findings, today: dt.date) -> list[Chart]:
    if found.by_day is None:
        return []
    return charts(found.by_day, first=choice.first, last=choice.last, today=today)
