"""Usage of a tenant: what caused it and what it cost, by any two of four.

Every figure is what `/api/v1/usage/` answers, from the same selector; the page shows
the call that answers it. A link to the page is the view.

Failure: what makes no sense is 400 with the reason beside its field.
"""

import datetime as dt
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from kit.acting import current
from kit.errors import InvalidRequest
from kit.scopes import Scope
from metering.usage.periods import periods_within
from metering.usage.selectors import database_now
from pages.access import live_page
from pages.console.place import place_page, require
from pages.console.usage.choice import Bucket, Choice, Option, options
from pages.console.usage.drawing import drawing
from pages.console.usage.form import UsageForm
from pages.console.usage.report import Before, Findings, findings, over_time_in_full
from pages.console.usage.tables import (
    empty,
    over_time_table,
    table_of,
    tiles,
    totals_of,
)
from pages.design.address import address, query_of
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading, fresh
from tenants import selectors
from tenants.models import KeyUse, Member

_PAGE = "pages/console/usage/usage.html"
_SHOWN = "%Y-%m-%d %H:%M"


@require_safe
@live_page
@place_page
def usage(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show what was used in a range, over time, and against the time before."""
    require(Scope.USAGE_READ)
    now = database_now()
    form = UsageForm(request.GET, tenant=place.tenant, now=now)
    if not form.is_valid():
        return _refused(request, place, form)
    choice, reach = form.choice(), current().project_ids
    query = query_of(request.GET)
    table = table_of(choice)
    name = f"usage-{place.tenant.slug}"
    try:
        if wants_file(over_time_table(choice), query):
            full = over_time_in_full(choice, now=now, reach=reach)
            return file_of(
                over_time_table(choice), full.rows, query, name=f"{name}-over-time"
            )
        found = findings(choice, now=now, reach=reach)
        if wants_file(table, query):
            return file_of(table, found.rows, query, name=name)
        laid_out = table.laid_out(found.rows, query, totals=totals_of(choice, found))
    except InvalidRequest as refused:
        form.add_error(None, refused.message)
        return _refused(request, place, form)
    form.filled()
    hero, counted = tiles(choice, found, compared=_compared(choice, found.before))
    context = {
        "place": place,
        "form": form,
        "controls": _controls(choice, form),
        "heading": Heading(
            "Usage",
            scope=_scope(choice, now=now),
            fresh=fresh(found.divided.complete_to, now=now),
        ),
        "hero": hero,
        "tiles": counted,
        "charts": _charts(choice, found, now=now),
        "refusal": found.refusal,
        "tables": [laid_out],
        "empty": None if found.rows else empty(choice, last_used=_last_used(choice)),
        "over_time_file": address(query, file="over-time", sort="", page="")
        if choice.bucket
        else "",
        "call": api_call(choice),
    }
    return render(request, _PAGE, context)


def api_call(choice: Choice) -> str:
    """Return the call of the management API that answers what the page shows."""
    dimensions = [each.dimension.value for each in choice.parts]
    if choice.bucket:
        dimensions.append(choice.bucket.dimension.value)
    asked = {
        "start": _bound(choice.range.start),
        "end": _bound(choice.range.end),
        "group_by": ",".join(dimensions),
        **choice.only.parameters(),
    }
    query = urlencode(
        {name: value for name, value in asked.items() if value}, safe=",:"
    )
    return (
        f'curl "{settings.PUBLIC_URL}/api/v1/usage/?{query}" \\\n'
        '  -H "Authorization: Bearer $TOLLGATE_TOKEN"'
    )


def _bound(bound: dt.date) -> str:
    if isinstance(bound, dt.datetime):
        return bound.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return f"{bound}"


def _refused(request: HttpRequest, place: Member, form: UsageForm) -> HttpResponse:
    context = {"place": place, "form": form, "heading": Heading("Usage")}
    return render(request, _PAGE, context, status=400)


def _charts(choice: Choice, found: Findings, *, now: dt.datetime) -> list[object]:
    if found.over_time is None or not found.rows:
        return []
    periods = (
        periods_within(
            tenant_id=choice.tenant.pk, first=choice.range.start, end=choice.range.end
        )
        if choice.bucket is Bucket.MONTH
        else []
    )
    drawn = drawing(choice, found.over_time, found.told, periods=periods, now=now)
    return [("pages/parts/columns.html", drawn)]


def _controls(choice: Choice, form: UsageForm) -> list[tuple[str, list[Option]]]:
    """Return the links beside the form; what the page is narrowed to is one, too."""
    only = [
        Option(
            f"{_narrowed_to(name, value)} \N{MULTIPLICATION SIGN}",
            choice.address(**{name: ""}),
            True,
        )
        for name, value in choice.only.parameters().items()
        if value
    ]
    return [*options(choice), *([("Only", only)] if only else [])]


def _narrowed_to(name: str, value: str) -> str:
    """Return what the page is narrowed to, by its name; the report looked for it."""
    if name == "project":
        return f"project {selectors.project(int(value)).slug}"
    if name == "key":
        return f"key {selectors.api_key(int(value)).name}"
    if name == "member":
        return f"member {selectors.member(int(value))}"
    return f"model {value}"


def _scope(choice: Choice, *, now: dt.datetime) -> tuple[str, ...]:
    asked = choice.range
    running = ("so far",) if asked.starts_at <= now < asked.ends_at else ()
    if asked.is_days:
        last = asked.end - dt.timedelta(days=1)
        said = f"{asked.start}" if last == asked.start else f"{asked.start} to {last}"
    else:
        said = f"{_at(asked.starts_at, asked.zone)} to {_at(asked.ends_at, asked.zone)}"
    return (said, asked.zone, *running, "excluding tax")


def _compared(choice: Choice, before: Before) -> str:
    if before.start is None or before.end is None:
        return f"not compared: {before.why_not}"
    zone = choice.range.zone
    return f"{_at(before.start, zone)} to {_at(before.end, zone)}"


def _at(instant: dt.datetime, zone: str) -> str:
    return f"{instant.astimezone(ZoneInfo(zone)):{_SHOWN}}"


def _last_used(choice: Choice) -> str:
    """Say when anything was last used, as far as it was rolled up."""
    rows = KeyUse.objects.filter(tenant_id=choice.tenant.pk)
    reach = current().project_ids
    if reach is not None:
        rows = rows.filter(api_key__project_id__in=reach)
    last = rows.aggregate(last=Max("last_used_at"))["last"]
    if last is None:
        return "There was none yet, in any range."
    return f"The last one was on {_at(last, choice.range.zone)} {choice.range.zone}."
