"""Files of the books: asked for, followed while they are made, fetched.

Days are billing days of the tenant. A file shows one moment, says how many rows and
which hash it has, and is thrown away after a while, when another one can be asked for.

Failure: days that make no sense are said beside the form; a file that could not be
made says why, and holds up no other.
"""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from kit.drf.files import digest, streamed
from kit.errors import Conflict, NotFound, PlatformError
from kit.scopes import Scope
from metering.exports import selectors, services
from metering.exports.models import Export, Form, Subject
from pages.access import live_page
from pages.console.forms import say, sent
from pages.console.frame import address_in
from pages.console.place import form_page, place_page, require
from pages.console.spending import running
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind, clock, nothing, number, state, words
from pages.design.filters import DayField
from pages.design.heading import Crumb, Heading
from pages.design.progress import Progress
from pages.design.states import Empty
from pages.design.table import Column, Table
from tenants.models import Member

_ONE_DAY = dt.timedelta(days=1)
_BADGES = {
    Export.State.WAITING: Badge("being made", Tone.WAIT),
    Export.State.READY: Badge("ready", Tone.GOOD),
    Export.State.FAILED: Badge("failed", Tone.BAD),
    Export.State.EXPIRED: Badge("thrown away", Tone.OVER),
}
_FIELDS = {"first_date": "first", "end_date": "last"}


class ExportForm(forms.Form):
    """Which file is wanted; both days are in it."""

    subject = forms.ChoiceField(label="What", choices=Subject.choices)
    form = forms.ChoiceField(label="As", choices=Form.choices)
    first = DayField(label="From")
    last = DayField(label="To, included")

    def clean(self) -> dict[str, Any]:
        """Refuse a last day before the first one, in the words of the page."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        first, last = given.get("first"), given.get("last")
        if first and last and last < first:
            self.add_error("last", "Choose the first day, or a later one.")
        return given


@form_page
@place_page
def exports(request: HttpRequest, *, place: Member) -> HttpResponse:
    """List the files, and ask for another one."""
    require(Scope.BILLING_READ)
    now, query, tenant = timezone.now(), query_of(request.GET), place.tenant
    form = ExportForm(sent(request), initial=_this_period(place, now=now))
    if form.is_valid():
        given = form.cleaned_data
        try:
            row = services.ask_for_export(
                subject=given["subject"],
                form=given["form"],
                first_date=given["first"],
                end_date=given["last"] + _ONE_DAY,
                tenant=tenant,
            )
        except PlatformError as refused:
            say(refused, form, _FIELDS)
        else:
            return redirect(_at(place, row))
    rows = selectors.exports(tenant=tenant)
    table = _table(place)
    count, per = rows.order_by().count(), table.rows_per_page
    start = min(table.asked(query).offset(per), max(count - 1, 0) // per * per)
    context = {
        "place": place,
        "heading": Heading(
            "Exports",
            scope=(tenant.name, f"days and times of {tenant.zone}"),
            lead="Files of what was used, booked and invoiced, of one moment each.",
        ),
        "ask": form,
        "tables": [table.laid_out(list(rows[start : start + per]), query, count=count)],
    }
    status = 400 if form.is_bound else 200
    page = "pages/console/records/exports.html"
    return render(request, page, context, status=status)


@require_safe
@live_page
@place_page
def export(request: HttpRequest, *, place: Member, export_id: int) -> HttpResponse:
    """Show a file or, asked for a part, how far it is."""
    require(Scope.BILLING_READ)
    row = _own(place, export_id)
    context: dict[str, Any] = {"place": place, "progress": _progress(row)}
    if query_of(request.GET).get("part") == "progress":
        return render(request, "pages/parts/progress.html", context)
    listed = Crumb("Exports", address_in(place.tenant)("console:exports"))
    context |= {
        "heading": Heading(
            f"{row.get_subject_display().capitalize()}, {_days(row)}",
            scope=(
                row.get_form_display(),
                f"asked for {clock(row.created_at, place.tenant.zone).title}",
            ),
            crumbs=(listed,),
        ),
        "export": row,
        "facts": _facts(row, place.tenant.zone),
        "file": _at(place, row, "export_file"),
        "is_ready": row.state == Export.State.READY,
    }
    return render(request, "pages/console/records/export.html", context)


@require_safe
@place_page
def download(request: HttpRequest, *, place: Member, export_id: int) -> HttpResponse:
    """Send a file that is ready; each piece is read as the tenant."""
    require(Scope.BILLING_READ)
    row = _own(place, export_id)
    try:
        selectors.require_content(row)
    except Conflict as refused:
        messages.error(request, refused.message)
        return redirect(_at(place, row))
    return StreamingHttpResponse(  # type: ignore[return-value]
        streamed(request, selectors.content(row, reader=place.tenant_id)),
        content_type="text/csv",
        headers={
            "Content-Disposition": f'attachment; filename="{row.file_name}"',
            "Content-Length": str(row.byte_count),
            "Repr-Digest": digest(row.sha256),
            "x-tollgate-rows": str(row.row_count),
        },
    )


def _own(place: Member, export_id: int) -> Export:
    row = selectors.export(export_id)
    if row.tenant_id != place.tenant_id:
        raise NotFound(f"There is no export {export_id}.")
    return row


def _at(place: Member, row: Export, page: str = "export") -> str:
    return reverse(f"console:{page}", args=(place.tenant.slug, row.pk))


def _this_period(place: Member, *, now: dt.datetime) -> dict[str, Any]:
    """Return the days that are proposed: those of the running period so far."""
    span = running(place.tenant, now=now)
    if span is None:
        return {}
    return {"first": span.first_date, "last": span.end_date - _ONE_DAY}


def _days(row: Export) -> str:
    return f"{row.first_date} to {row.end_date - _ONE_DAY}"


def _progress(row: Export) -> Progress:
    waits = row.state == Export.State.WAITING
    note = {
        Export.State.WAITING: "the worker makes it; this may take a moment",
        Export.State.READY: "whole, with its hash",
        Export.State.FAILED: row.problem,
        Export.State.EXPIRED: "ask for it again",
    }[Export.State(row.state)]
    return Progress(
        title="The file",
        done=row.row_count or 0,
        whole=0 if waits else row.row_count or 1,
        unit="rows",
        state=_BADGES[Export.State(row.state)],
        address="?part=progress",
        is_over=not waits,
        note=note,
    )


def _facts(row: Export, zone: str) -> list[tuple[str, Cell]]:
    if row.state not in (Export.State.READY, Export.State.EXPIRED):
        return []
    expires = clock(row.expires_at, zone) if row.expires_at else nothing("never")
    return [
        ("Name", words(row.file_name)),
        ("Rows", number(row.row_count or 0)),
        ("Bytes", number(row.byte_count or 0)),
        ("SHA-256", words(row.sha256)),
        (
            f"Use complete to ({zone})",
            clock(row.complete_to, zone) if row.complete_to else nothing("not said"),
        ),
        (f"Thrown away ({zone})", expires),
    ]


def _table(place: Member) -> Table[Export]:
    zone = place.tenant.zone
    return Table(
        name="exports",
        title="Files",
        has_file=False,
        empty=Empty("No file was asked for yet", "Ask for one above."),
        columns=(
            Column(
                "subject",
                "File",
                lambda row: words(
                    row.get_subject_display(), address=_at(place, row), note=row.form
                ),
            ),
            Column("days", "Days", lambda row: words(_days(row))),
            Column(
                "state", "State", lambda row: state(_BADGES[Export.State(row.state)])
            ),
            Column(
                "rows",
                "Rows",
                lambda row: (
                    nothing("not yet")
                    if row.row_count is None
                    else number(row.row_count)
                ),
                Kind.NUMBER,
            ),
            Column(
                "size",
                "Bytes",
                lambda row: (
                    nothing("not yet")
                    if row.byte_count is None
                    else number(row.byte_count)
                ),
                Kind.NUMBER,
            ),
            Column("asked", "Asked for", lambda row: clock(row.created_at, zone)),
            Column(
                "expires",
                "Thrown away",
                lambda row: (
                    clock(row.expires_at, zone)
                    if row.expires_at
                    else nothing("not yet")
                ),
            ),
        ),
    )
