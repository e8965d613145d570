"""A tenant's audit: who changed what, from what to what, in one unbroken chain.

Failure: a filter that makes no sense is said beside its field.
"""

import datetime as dt
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from kit.acting import ActorKind
from kit.scopes import Scope
from pages.console.place import place_page, require
from pages.console.records.changes import changes, changes_table
from pages.design.address import query_of
from pages.design.cells import clock
from pages.design.files import file_of, first_of, wants_file
from pages.design.filters import DayField, FilterForm
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.tiles import Tile
from tenants import selectors
from tenants.models import AuditEntry, Member

# Beyond it the number itself says no more than that it is a lot.
COUNTED_MAX = 100_000
_ONE_DAY = dt.timedelta(days=1)
_THINGS = (
    "api_key",
    "billing_profile",
    "budget",
    "credit_grant",
    "credit_note",
    "export",
    "invitation",
    "invoice",
    "management_token",
    "member",
    "payment",
    "payment_method",
    "project",
    "project_member",
    "quota",
    "rate_limit",
    "refund",
    "subscription",
    "tenant",
    "top_up",
    "top_up_rule",
    "webhook_endpoint",
)
_PEOPLE = (
    (ActorKind.MEMBER, "a member"),
    (ActorKind.TENANT_TOKEN, "a program of yours"),
    (ActorKind.OPERATOR, "an operator"),
    (ActorKind.SYSTEM, "the system"),
)


class AuditFilter(FilterForm):
    """What the audit may be narrowed by; days are the tenant's, both included."""

    kind = forms.ChoiceField(
        required=False,
        label="Of",
        choices=[
            ("", "anything"),
            *((each, each.replace("_", " ")) for each in _THINGS),
        ],
    )
    id = forms.CharField(required=False, max_length=64, label="Number")
    by = forms.ChoiceField(
        required=False, label="By", choices=[("", "anybody"), *_PEOPLE]
    )
    first = DayField(required=False, label="From")
    last = DayField(required=False, label="To")
    names_in_address = {"first": "from", "last": "to"}


@require_safe
@place_page
def audit(request: HttpRequest, *, place: Member) -> HttpResponse:
    """List changes, the newest first."""
    require(Scope.AUDIT_READ)
    query, tenant = query_of(request.GET), place.tenant
    table = changes_table(tenant.zone)
    form = AuditFilter(request.GET)
    rows = _asked_for(form, place) if form.is_valid() else AuditEntry.objects.none()
    if wants_file(table, query):
        entries, cut = first_of(table, rows)
        name = f"audit-{tenant.slug}{cut}"
        return file_of(table, changes(entries, tenant), query, name=name)
    count = rows.order_by()[:COUNTED_MAX].count()
    per = table.rows_per_page
    start = min(table.asked(query).offset(per), max(count - 1, 0) // per * per)
    found = changes(list(rows[start : start + per]), tenant)
    is_narrowed = not form.is_valid() or any(form.cleaned_data.values())
    context = {
        "place": place,
        "heading": Heading(
            "Audit",
            scope=(tenant.name, f"times in {tenant.zone}"),
            lead="Every change of what is yours, by whomever. Entries are chained: none"
            " can be altered or dropped unseen.",
        ),
        "form": form,
        "tiles": _tiles(count, rows, ZoneInfo(tenant.zone)),
        "tables": [
            table.laid_out(
                found, query, count=count, empty=_none_fit() if is_narrowed else None
            )
        ],
    }
    status = 200 if form.is_valid() else 400
    return render(request, "pages/console/page.html", context, status=status)


def _asked_for(form: AuditFilter, place: Member) -> QuerySet[AuditEntry]:
    given, zone = form.cleaned_data, ZoneInfo(place.tenant.zone)
    rows = selectors.audit_entries(
        tenant_id=place.tenant_id,
        object_kind=given["kind"] or None,
        object_id=given["id"].strip() or None,
        actor_kind=given["by"] or None,
        start=_midnight(given["first"], zone),
        end=_midnight(given["last"] and given["last"] + _ONE_DAY, zone),
    )
    return rows.order_by("-id")


def _midnight(date: dt.date | None, zone: ZoneInfo) -> dt.datetime | None:
    return None if date is None else dt.datetime.combine(date, dt.time(), zone)


def _tiles(count: int, rows: QuerySet[AuditEntry], zone: ZoneInfo) -> list[Tile]:
    most = f"{COUNTED_MAX:,} or more" if count == COUNTED_MAX else f"{count:,}"
    today = _midnight(timezone.now().astimezone(zone).date(), zone)
    lately = rows.order_by().filter(at__gte=today)[:COUNTED_MAX].count()
    first = rows.first()
    latest = clock(first.at, zone.key).shown if first else "none"
    return [
        Tile("Changes", most, note="that fit the filters"),
        Tile("Today", f"{lately:,}", note=f"since midnight, {zone.key}"),
        Tile("Latest", latest, note=zone.key),
    ]


def _none_fit() -> Empty:
    return Empty("No change fits the filters", "There may be others without them.")
