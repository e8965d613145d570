"""The files of a month: asked for here, made by the worker, fetched when ready.

Use, ledger entries and invoice lines of all tenants are too much for an answer: a file
is made whole in one transaction, and this page may be left meanwhile. Failure: what
cannot be asked for or is not ready is said, and nothing changes.
"""

import datetime as dt

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from kit.drf.files import digest, streamed
from kit.errors import NotFound, PlatformError
from metering.exports.models import Export, Form, Subject
from metering.exports.selectors import content, export, exports, require_content
from metering.exports.services import ask_for_export
from metering.ledger.months import month_after
from pages.access import staff_page
from pages.design import cells
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, wants_file
from pages.design.heading import Crumb, Heading
from pages.design.paging import page_of
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.finance.month_report import month_of
from pages.finance.sections import SEE_FILES

ASK = "exports.add_export"
_READ_AT_ONCE = 2_000
_TONES = {
    Export.State.WAITING: Tone.WAIT,
    Export.State.READY: Tone.GOOD,
    Export.State.FAILED: Tone.BAD,
    Export.State.EXPIRED: Tone.OVER,
}


def _name(row: Export) -> Cell:
    is_there = row.state == Export.State.READY
    address = reverse("finance:file", args=[row.pk]) if is_there else ""
    return cells.words(row.file_name, address=address, note=row.problem)


def _count(value: int | None) -> Cell:
    return cells.nothing("not yet") if value is None else cells.number(value)


FILES: Table[Export] = Table(
    name="files",
    title="Files of the month",
    note="Of all tenants. A file holds every row, and its digest is that of all its "
    "bytes; after a while its content is thrown away and its digest stays.",
    empty=Empty(
        "No file yet",
        "Nobody has asked for this month's files. They are made in the background.",
    ),
    columns=(
        Column("name", "File", _name),
        Column(
            "state",
            "State",
            lambda row: cells.state(
                Badge(
                    "being made"
                    if row.state == Export.State.WAITING
                    else str(row.get_state_display()),
                    _TONES[Export.State(row.state)],
                )
            ),
        ),
        Column("asked", "Asked for", lambda row: cells.instant(row.created_at)),
        Column("rows", "Rows", lambda row: _count(row.row_count), Kind.NUMBER),
        Column("bytes", "Bytes", lambda row: _count(row.byte_count), Kind.NUMBER),
        Column(
            "digest",
            "SHA-256",
            lambda row: (
                cells.words(row.sha256) if row.sha256 else cells.nothing("not yet")
            ),
        ),
    ),
)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(*SEE_FILES)
def page(request: HttpRequest, month: str) -> HttpResponse:
    """List a month's files, or ask for those that are not there."""
    first = month_of(month)
    if request.method == "POST":
        return _asked(request, month, first)
    found, query = _files(first), query_of(request.GET)
    if wants_file(FILES, query):
        listed = found.iterator(chunk_size=_READ_AT_ONCE)
        return file_of(FILES, listed, query, name=f"files-{month}")
    context = {
        "heading": Heading(
            f"Files of {first:%B %Y}",
            scope=("all tenants", "days of each tenant's zone, the ledger's of UTC"),
            crumbs=(Crumb("Month report", reverse("finance:report", args=[month])),),
            lead="Use, ledger entries and invoice lines, made in the background.",
        ),
        "month": month,
        "may_ask": request.user.has_perm(ASK),
        "is_waiting": _waiting(first).exists(),
        "tables": [page_of(FILES, found, query)],
    }
    return render(request, "pages/finance/files.html", context)


@require_safe
@staff_page(*SEE_FILES)
def fetch(request: HttpRequest, export_id: int) -> HttpResponse:
    """Send a file, a piece at a time."""
    row = export(export_id)
    if row.tenant_id is not None:
        raise NotFound("This file is a tenant's: it is in the admin.")
    try:
        require_content(row)
    except PlatformError as refused:
        raise NotFound(refused.message) from None
    return StreamingHttpResponse(  # type: ignore[return-value]
        streamed(request, content(row, reader=None)),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{row.file_name}"',
            "Content-Length": f"{row.byte_count}",
            "Repr-Digest": digest(row.sha256),
            "X-Row-Count": f"{row.row_count}",
        },
    )


def _files(first: dt.date) -> QuerySet[Export]:
    """Return the files of a month, the latest first."""
    return exports().filter(tenant=None, first_date=first, end_date=month_after(first))


def _waiting(first: dt.date) -> QuerySet[Export]:
    """Return those that are being made."""
    return _files(first).filter(state=Export.State.WAITING)


def _asked(request: HttpRequest, month: str, first: dt.date) -> HttpResponse:
    """Ask for each file of the month that is neither there nor being made."""
    if not request.user.has_perm(ASK):
        messages.error(request, f"Your account needs the permission {ASK}.")
        return redirect("finance:files", month=month)
    there = set(_waiting(first).values_list("subject", "form"))
    asked = 0
    try:
        for subject in Subject:
            if (subject, Form.CSV) not in there:
                ask_for_export(
                    subject=subject,
                    form=Form.CSV,
                    first_date=first,
                    end_date=month_after(first),
                )
                asked += 1
    except PlatformError as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, f"{asked} files are being made: you may leave.")
    return redirect("finance:files", month=month)
