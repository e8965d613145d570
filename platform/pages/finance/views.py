"""The finance pages: usage and spend, and invoices. They read, and write nothing.

Each view parses its address, reads everything as of one moment, and renders. Failure: a
filter that makes no sense is 400 with the reason beside the field.
"""

import datetime as dt
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from kit.errors import InvalidRequest, NotFound
from kit.orm.snapshot import snapshot
from metering.billing.selectors import invoice_by_public_id
from metering.documents.selectors import document_of
from metering.usage.report import TooManyRows
from metering.usage.selectors import billing_zones, database_now
from pages.access import staff_page
from pages.design.address import query_of
from pages.design.files import stream_of, wants_file
from pages.finance.chart import chart
from pages.finance.choice import Choice, options
from pages.finance.form import ChoiceForm
from pages.finance.invoice import printed, recent
from pages.finance.report import every_line, findings
from pages.finance.twin import twin
from pages.finance.usage_table import order_of, table_of, totals_of

SEE_USAGE = "usage.view_dayrollup"
SEE_INVOICES = "billing.view_invoice"
# Gateways say every quarter of a second how far they are; later than this is worth a
# word.
FRESH = dt.timedelta(seconds=60)


@require_safe
@staff_page(SEE_USAGE, SEE_INVOICES)
def usage(request: HttpRequest) -> HttpResponse:
    """Show usage and spend over time and divided, and the latest invoices."""
    with snapshot():
        now = database_now()
        form = ChoiceForm(request.GET, now=now)
        if not form.is_valid():
            return _refused(request, form)
        choice, query = form.choice(), query_of(request.GET)
        table = table_of(choice)
        if not wants_file(table, query):
            return _page(request, form, choice, now=now)
    lines = every_line(choice, models=form.models, order=order_of(table, query))
    name = f"usage-{choice.period.start:%Y-%m-%d}"
    try:
        return stream_of(request, table, lines, name=name)
    except InvalidRequest as refused:
        form.add_error("by", refused.message)
        return _refused(request, form)


def _page(
    request: HttpRequest, form: ChoiceForm, choice: Choice, *, now: dt.datetime
) -> HttpResponse:
    query, table = query_of(request.GET), table_of(choice)
    try:
        found = findings(choice, now=now, models=form.models)
    except TooManyRows as refused:
        # Not even the table can be shown; its file has all rows.
        form.add_error("by", refused.message)
        return _refused(request, form, whole=choice.address(file=table.name))
    except InvalidRequest as refused:
        form.add_error("by", refused.message)
        return _refused(request, form)
    context = {
        "form": form,
        "choice": choice,
        "options": options(choice),
        "found": found,
        "table": table.laid_out(found.rows, query, totals=totals_of(choice, found)),
        "charts": [(chart(stack), twin(stack)) for stack in found.stacks],
        "invoices": recent(tenant=choice.tenant),
        "everything": choice.address(tenant="", model=""),
        "so_far": found.start <= now < found.end,
        "lags": now - found.complete_to > FRESH,
        "zones": billing_zones(tenant=choice.tenant, start=found.start, end=found.end)
        if choice.tenant
        else [],
    }
    return render(request, "pages/finance/usage.html", context)


def _refused(
    request: HttpRequest, form: ChoiceForm, *, whole: str = ""
) -> HttpResponse:
    """Say what is refused; `whole` is where all rows are, as a file."""
    context = {"form": form, "whole": whole}
    return render(request, "pages/finance/usage.html", context, status=400)


@require_safe
@staff_page(SEE_INVOICES)
def invoice(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show one invoice, ready to be printed."""
    with snapshot():
        found = invoice_by_public_id(public_id)
        context = {
            "invoice": found,
            "printed": printed(found),
            "has_pdf": document_of(found) is not None,
            "days_until_due": settings.INVOICE_DAYS_UNTIL_DUE,
        }
    return render(request, "pages/finance/invoice.html", context)


@require_safe
@staff_page(SEE_INVOICES)
def invoice_pdf(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show an invoice's PDF, as it was made once."""
    found = invoice_by_public_id(public_id)
    kept = document_of(found)
    if kept is None:
        raise NotFound("This invoice has no document yet.")
    headers = {"Content-Disposition": f'inline; filename="{kept.number}.pdf"'}
    return HttpResponse(
        bytes(kept.pdf), content_type="application/pdf", headers=headers
    )
