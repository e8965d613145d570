"""A tenant's API keys: whose they are, what they may, what they spend, how they stand.

Rows are searched, sorted and paged in the database; only by spend are they put in order
here, by the usage report's figures. A playground's keys, which last an hour, are left
out unless they are asked for.

Failure: a filter that makes no sense is said beside its field.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.timesince import timesince
from django.views.decorators.http import require_safe

from kit.acting import current
from kit.scopes import Scope
from metering.budgets.selectors import Place, standing_of_each
from metering.usage.selectors import Dimension
from pages.console.frame import address_in
from pages.console.keys.parts import PLAYGROUND, at_key, key_badge, limit_cell
from pages.console.place import place_page, require
from pages.console.spending import BySpend, Spending, spending, spent
from pages.design.address import query_of
from pages.design.cells import Cell, Kind, clock, nothing, state, words
from pages.design.files import FILE_ROWS_MAX, file_of, first_of, wants_file
from pages.design.filters import FilterForm
from pages.design.heading import Crumb, Heading
from pages.design.states import Empty
from pages.design.table import Asked, Column, Table
from pages.design.tiles import Tile, money_tile, number_tile
from tenants import selectors
from tenants.models import ApiKey, KeyState, Level, Member, Tenant

UNUSED = dt.timedelta(days=90)
# In one file; gateways hold no more keys of a tenant either.
_ORDERS = {
    "name": F("name"),
    "project": F("project__slug"),
    "issued": F("id"),
    "expires": F("expires_at"),
    "used": F("use__last_used_at"),
}


class KeyFilter(FilterForm):
    """What the list may be narrowed by."""

    search = forms.CharField(
        required=False,
        max_length=200,
        label="Search",
        widget=forms.TextInput(
            {"placeholder": "name, first letters, project, holder, model"}
        ),
    )
    state = forms.ChoiceField(
        required=False,
        label="State",
        choices=[("", "any"), *((each.value, each.value) for each in KeyState)],
    )
    unused = forms.ChoiceField(
        required=False,
        label="Used",
        choices=[("", "whenever"), ("yes", f"not for {UNUSED.days} days")],
    )
    playground = forms.ChoiceField(
        required=False,
        label="The playground's",
        choices=[("", "left out"), ("yes", "listed")],
    )


@require_safe
@place_page
def keys(request: HttpRequest, *, place: Member) -> HttpResponse:
    """List the keys that the member may see."""
    require(Scope.KEYS_READ)
    now, query, tenant = timezone.now(), query_of(request.GET), place.tenant
    form = KeyFilter(request.GET)
    rows = _asked_for(form, now=now) if form.is_valid() else ApiKey.objects.none()
    found = spending(tenant, Dimension.KEY, now=now)
    plain = _table(tenant, found, {}, now=now)
    asked = plain.asked(query)
    if wants_file(plain, query):
        whole, cut = first_of(plain, _ordered(rows, asked, found))
        table = _table(tenant, found, _standing(tenant, whole, now=now), now=now)
        return file_of(table, whole, query, name=f"keys-{tenant.slug}{cut}")
    count = rows.order_by().count()
    last = max(count - 1, 0) // plain.rows_per_page * plain.rows_per_page
    start = min(asked.offset(plain.rows_per_page), last)
    page = list(_ordered(rows, asked, found)[start : start + plain.rows_per_page])
    table = _table(tenant, found, _standing(tenant, page, now=now), now=now)
    is_narrowed = any(form.cleaned_data.values()) if form.is_valid() else True
    context = {
        "place": place,
        "heading": _heading(place, found),
        "form": form,
        "tiles": _tiles(tenant, found, now=now),
        "tables": [
            table.laid_out(
                page, query, count=count, empty=_none_fit() if is_narrowed else None
            )
        ],
    }
    status = 200 if form.is_valid() else 400
    return render(request, "pages/console/page.html", context, status=status)


def _asked_for(form: KeyFilter, *, now: dt.datetime) -> QuerySet[ApiKey, ApiKey]:
    given = form.cleaned_data
    rows = selectors.api_keys(
        now=now,
        search=given["search"].strip() or None,
        state=given["state"] or None,
        unused_since=now - UNUSED if given["unused"] else None,
    )
    if given["unused"]:
        rows = rows.filter(pk__in=ApiKey.objects.opening(now))
    if not given["playground"]:
        rows = rows.exclude(PLAYGROUND)
    return rows.select_related("member")


def _ordered(
    rows: QuerySet[ApiKey, ApiKey], asked: Asked, found: Spending | None
) -> Any:
    """Return rows in the order asked for, with what has no value last."""
    if asked.column == "spend":
        return BySpend(rows, found, is_falling=asked.is_descending)
    by = _ORDERS.get(asked.column, F("id"))
    key = by.desc(nulls_last=True) if asked.is_descending else by.asc(nulls_last=True)
    return rows.order_by(key, "-id")


def _standing(
    tenant: Tenant, rows: Sequence[ApiKey], *, now: dt.datetime
) -> Mapping[int, Place]:
    return standing_of_each(
        tenant=tenant,
        level=Level.API_KEY,
        holder_ids=[row.pk for row in rows],
        now=now,
    )


def _heading(place: Member, found: Spending | None) -> Heading:
    tenant = place.tenant
    acts: tuple[Crumb, ...] = ()
    if current().may(Scope.KEYS_WRITE):
        acts = (Crumb("New key", address_in(tenant)("console:key_new")),)
    period = (f"spend of {found.span.name} so far, before tax",) if found else ()
    kept = () if current().project_ids is None else ("keys of your projects",)
    return Heading(
        "API keys",
        scope=(tenant.name, *kept, *period),
        fresh=found.fresh if found else None,
        acts=acts,
    )


def _tiles(tenant: Tenant, found: Spending | None, *, now: dt.datetime) -> list[Tile]:
    working = selectors.api_keys(now=now, active=True).exclude(PLAYGROUND)
    unused = selectors.api_keys(now=now, active=True, unused_since=now - UNUSED)
    idle = unused.exclude(PLAYGROUND).order_by().count()
    listed = address_in(tenant)("console:keys")
    tiles = [
        number_tile(
            "Active keys",
            working.order_by().count(),
            address=f"{listed}?state={KeyState.ACTIVE}",
        ),
        number_tile(
            f"Unused for {UNUSED.days} days",
            idle,
            address=f"{listed}?unused=yes",
            note="revoke what nobody needs" if idle else "none lies idle",
        ),
    ]
    if found is not None:
        label = f"Spend, {found.span.name}"
        tiles.append(
            money_tile(label, found.total, tenant.currency, note="all keys, so far")
        )
    return tiles


def _none_fit() -> Empty:
    return Empty("No key fits the filters", "There may be others without them.")


def _table(
    tenant: Tenant,
    found: Spending | None,
    standing: Mapping[int, Place],
    *,
    now: dt.datetime,
) -> Table[ApiKey]:
    may_issue = current().may(Scope.KEYS_WRITE)
    picos = found.picos if found else {}
    return Table(
        name="keys",
        title="Keys",
        file_rows_max=FILE_ROWS_MAX,
        usual_sort="-issued",
        empty=Empty(
            "There is no key yet",
            "A program calls with one; its text is shown once.",
            "Create your first key" if may_issue else "",
            address_in(tenant)("console:key_new") if may_issue else "",
        ),
        columns=(
            Column(
                "name",
                "Key",
                lambda row: words(row.name, address=at_key(row), note=row.shown),
                sort=lambda row: row.name,
            ),
            Column("state", "State", lambda row: state(key_badge(row.state_at(now)))),
            Column(
                "project",
                "Project",
                lambda row: words(row.project.name),
                sort=lambda row: row.project.slug,
            ),
            Column("holder", "Holder", _holder),
            Column("limit", "Its limit", lambda row: limit_cell(standing.get(row.pk))),
            Column(
                "spend",
                f"Spend, {tenant.currency}",
                lambda row: spent(found, row.pk, tenant.currency),
                Kind.NUMBER,
                sort=lambda row: picos.get(row.pk, 0),
                note="Of the running period so far, before tax.",
            ),
            Column(
                "used",
                "Last used",
                lambda row: _last_used(row, tenant.zone, now=now),
                sort=lambda row: row.last_use and row.last_use.last_used_at,
            ),
            *_rest(tenant.zone),
        ),
    )


def _rest(zone: str) -> tuple[Column[ApiKey], ...]:
    """Return the columns that are the same whoever of a tenant asks, whenever."""
    return (
        Column(
            "expires",
            f"Expires ({zone})",
            lambda row: (
                clock(row.expires_at, zone) if row.expires_at else nothing("never")
            ),
            sort=lambda row: row.expires_at,
        ),
        Column(
            "models",
            "May call",
            lambda row: words(
                ", ".join(row.allowed_models) or "every model",
                note=", ".join(row.scopes),
            ),
        ),
        Column(
            "issued",
            f"Issued ({zone})",
            lambda row: clock(row.created_at, zone),
            sort=lambda row: row.pk,
        ),
    )


def _holder(row: ApiKey) -> Cell:
    if row.member is None:
        return nothing("a service's")
    return words(row.member.email or "somebody forgotten")


def _last_used(row: ApiKey, zone: str, *, now: dt.datetime) -> Cell:
    use = row.last_use
    if use is None or use.last_used_at is None:
        return nothing("never")
    ago = f"{timesince(use.last_used_at, now, depth=1)} ago"
    exact = clock(use.last_used_at, zone)
    return Cell(ago, exact.value, note=use.model, title=exact.title)
