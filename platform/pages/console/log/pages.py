"""The request log of a tenant: a page of it, its file, and the newest as they end.

Failure: a filter that makes no sense is 400 with the reason beside it; a file of more
requests than one may have, or that would read too many to find them, is refused with
what to ask instead.
"""

import datetime as dt
import secrets
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from inference.control.selectors import model_names
from kit.errors import InvalidRequest
from kit.scopes import Scope
from metering.usage.request_log import (
    SCANNED_MAX,
    LoggedRequest,
    RequestQuery,
    RequestSummary,
    requests,
    summary,
)
from pages.access import live_page
from pages.console.log.form import LogForm
from pages.console.log.refused import (
    asked_of,
    found_by,
    refused_file,
    refused_table,
    refused_tile,
)
from pages.console.log.table import NONE_FOUND, NONE_YET, ROWS_PER_PAGE, table
from pages.console.log.watching import LASTS, WATCHES, fits
from pages.console.place import place_page, require
from pages.design.address import Query, address, query_of
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Table
from pages.design.tiles import Tile, number_tile, percent_tile
from pages.operations.measures import duration_tile
from tenants.models import Member

FILE_ROWS_MAX = 50_000
_READ_AT_ONCE = 5_000
# As many times as a page may look at so many, until it is said to be too much.
FILE_PAGES_MAX = 200
_BEFORE = "before"
_UNTIL = "until"
_WHO = "who"
_WHO_CHARS = 16


@live_page
@require_safe
@place_page
def log(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show a page of the log, its file, or the newest requests anew."""
    require(Scope.USAGE_READ)
    query, now = query_of(request.GET), timezone.now()
    form = LogForm(request.GET, place=place, models=sorted(model_names(True)), now=now)
    context: dict[str, Any] = {
        "place": place,
        "form": form,
        "heading": Heading(
            "Requests",
            scope=(
                f"of {place.tenant.name}",
                f"in {place.tenant.zone}",
                "excluding tax",
            ),
            lead="What single requests used, took and cost. Nothing of what was asked"
            " or answered is kept. What was refused is not metered: it is counted.",
        ),
    }
    if not form.is_valid():
        status = HTTPStatus.BAD_REQUEST
        return render(request, "pages/console/log/log.html", context, status=status)
    asked = form.query(place)
    rows = table(
        place.tenant,
        narrowed_to=lambda name, pk: address(_lasting(query), **{name: f"{pk}"}),
        empty=NONE_FOUND if _is_narrowed(query) else NONE_YET,
    )
    if wants_file(rows, query):
        name = f"requests-{place.tenant.slug}"
        return file_of(rows, list(everything(asked)), query, name=name)
    question = asked_of(asked, now=now)
    if question is not None and wants_file(refused_table(place.tenant), query):
        return refused_file(place.tenant, question, query)
    if form.cleaned_data["live"]:
        return _watched(request, rows, asked, query, context)
    page = requests(asked, before=_before(query), size=ROWS_PER_PAGE)
    context |= _refused(place, asked, query, now=now)
    context |= {
        "tiles": [*tiles(summary(asked)), *context["refused_tiles"]],
        "table": rows.laid_out(page.rows, query, empty=_no_rows(page.before)),
        "first": address(query, before="") if _BEFORE in query else "",
        "more": address(query, before=f"{page.before}") if page.before else "",
        "follow": address(_lasting(query), live="yes"),
    }
    return render(request, "pages/console/log/log.html", context)


def _refused(
    place: Member, asked: RequestQuery, query: Query, *, now: dt.datetime
) -> dict[str, Any]:
    """Return what was refused meanwhile: its tile, and its table where there is any."""
    question = None if _BEFORE in query else asked_of(asked, now=now)
    if question is None:
        return {"refused_tiles": []}
    found = found_by(question)
    laid_out = refused_table(place.tenant).laid_out(found.kinds, query)
    return {
        "refused_tiles": [refused_tile(found)],
        "refused": laid_out if found.kinds else None,
    }


def tiles(found: RequestSummary) -> list[Tile]:
    """Return the figures at a glance; of many requests, those of the newest."""
    scope = (
        "all that were asked for"
        if found.is_whole
        else f"of the newest {SCANNED_MAX:,} of the range"
    )
    return [
        number_tile("Requests", found.requests, note=scope),
        percent_tile("Not ended well", found.failed, found.requests, note=scope),
        duration_tile("First token, median", found.first_token_p50_us, note=scope),
        duration_tile("First token, p95", found.first_token_p95_us, note=scope),
    ]


def everything(asked: RequestQuery) -> Iterator[LoggedRequest]:
    """Yield all requests of a query; raises `InvalidRequest` for too many."""
    before: UUID | None = None
    found = 0
    for _ in range(FILE_PAGES_MAX):
        page = requests(asked, before=before, size=_READ_AT_ONCE)
        found += len(page.rows)
        if found > FILE_ROWS_MAX:
            break
        yield from page.rows
        before = page.before
        if before is None:
            return
    raise InvalidRequest(
        f"A file holds at most {FILE_ROWS_MAX:,} requests, of at most"
        f" {FILE_PAGES_MAX * SCANNED_MAX:,} looked at: choose a shorter range, or read"
        " them by the management API.",
        param="file",
    )


def _watched(
    request: HttpRequest,
    rows: Table[LoggedRequest],
    asked: RequestQuery,
    query: Query,
    context: dict[str, object],
) -> HttpResponse:
    """Show the newest requests, and ask for them again until the watch ends."""
    now = timezone.now()
    who = query.get(_WHO, "")[:_WHO_CHARS] or secrets.token_hex(_WHO_CHARS // 2)
    newest, every_s = WATCHES.newest(asked.tenant_id, who=who)
    until = _until(query, now)
    shown = [row for row in newest if fits(row, asked)][:ROWS_PER_PAGE]
    lasting = _lasting(query)
    context |= {
        "is_live": True,
        "at": now,
        "is_over": now >= until,
        "every_s": every_s,
        "table": rows.laid_out(shown, lasting),
        "again": address(
            lasting,
            live="yes",
            part="yes",
            who=who,
            until=until.isoformat(),
        ),
        "go_on": address(lasting, live="yes"),
        "stop": address(lasting, live=""),
        "newest": len(newest),
    }
    part = "_watched" if query.get("part") == "yes" else "log"
    return render(request, f"pages/console/log/{part}.html", context)


def _until(query: Query, now: dt.datetime) -> dt.datetime:
    """Return when the watch ends: as its address says, and not later than one lasts."""
    try:
        found = parse_datetime(query.get(_UNTIL, ""))
    except ValueError:
        found = None
    return min(found, now + LASTS) if found and found.tzinfo else now + LASTS


def _lasting(query: Query) -> dict[str, str]:
    """Return what of an address says which requests, not which page of them."""
    passing = {_BEFORE, _UNTIL, _WHO, "part", "file", "live"}
    return {name: value for name, value in query.items() if name not in passing}


def _is_narrowed(query: Query) -> bool:
    return any(_lasting(query).values()) or _BEFORE in query


def _before(query: Query) -> UUID | None:
    text = query.get(_BEFORE, "")
    try:
        return UUID(text) if text else None
    except ValueError:
        raise InvalidRequest("Give the id of a request.", param=_BEFORE) from None


def _no_rows(before: UUID | None) -> Empty | None:
    """Say where to go on, on a page that looked at enough and found nothing."""
    if before is None:
        return None
    return Empty(
        f"None among the {SCANNED_MAX:,} looked at",
        "Older ones may be there: look further.",
    )
