"""Limits of a tenant: what will stop or warn, when, and lower ones of its own.

What is set goes through the services of the API: a tenant's own limit stands beside the
operators', and the lower one holds.

Failure: what a service refuses is said beside its field, and nothing is written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from kit.acting import current
from kit.errors import NotFound, PermissionDenied, PlatformError
from kit.money import decimal_from_picos
from kit.scopes import Scope
from metering.alerts.models import Crossing
from metering.alerts.selectors import crossings
from metering.budgets.nearest import HOLDERS_MAX, AllLimits, Named, all_limits
from metering.usage.selectors import database_now
from pages.console.limits.forms import MODELS, LimitForm
from pages.console.limits.tables import (
    Crossed,
    bullets,
    counted_table,
    credit_text,
    crossings_table,
    mark_of,
    names_of,
    rates_table,
)
from pages.console.place import place_page, require
from pages.design.address import query_of
from pages.design.files import file_of, first_of, wants_file
from pages.design.heading import Heading
from pages.design.table import LaidOut
from tenants import selectors, services
from tenants.limits.resolution import Kind
from tenants.models import ApiKey, Limit, Member, Project, SetBy
from tenants.services import Holder

# As `limit_anchor` writes it; ids are those of bigint.
_MARK = re.compile(
    r"[a-z_]{1,20}-[0-9]{1,18}-(?P<level>[a-z_]{1,20})-(?P<holder>[0-9]{1,18})"
)
Names = Mapping[tuple[str, int], str]
form_page = require_http_methods(["GET", "HEAD", "POST"])
CHOICES_MAX = 200
_WORDS = {Kind.BUDGET: "budget", Kind.QUOTA: "quota", Kind.RATE_LIMIT: "rate limit"}
_CREATE: dict[Kind, Any] = {
    Kind.BUDGET: services.create_budget,
    Kind.QUOTA: services.create_quota,
    Kind.RATE_LIMIT: services.create_rate_limit,
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """The limit that an address asks for, by how its row is marked."""

    mark: str
    holder: tuple[str, int] | None

    @classmethod
    def of(cls, text: str) -> "_Asked | None":
        """Return what is asked for; None of nothing."""
        if not text:
            return None
        found = _MARK.fullmatch(text)
        return cls(text, (found["level"], int(found["holder"])) if found else None)

    def only(self, found: AllLimits) -> AllLimits | None:
        """Return the limit alone; None where it holds no more, or for others."""
        counted = tuple(each for each in found.counted if mark_of(each) == self.mark)
        rates = tuple(each for each in found.rates if mark_of(each) == self.mark)
        if not counted and not rates:
            return None
        return replace(found, counted=counted, rates=rates)


@require_safe
@place_page
def limits(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show the limits in effect, the nearest to its end first, and what was told."""
    require(Scope.LIMITS_READ)
    now, query, zone = database_now(), query_of(request.GET), place.tenant.zone
    reach, may_write = current().project_ids, current().may(Scope.LIMITS_WRITE)
    asked = _Asked.of(query.get("show", ""))
    found = all_limits(
        tenant=place.tenant, now=now, reach=reach, among=asked.holder if asked else None
    )
    one = found if asked is None else asked.only(found)
    shown = one or found
    new = reverse("console:limit_new", args=(place.tenant.slug, Kind.BUDGET.value))

    def edit(named: Named) -> str:
        row = named.effective.row
        args = (place.tenant.slug, row.measure.kind.value, row.id)
        return reverse("console:limit", args=args) if may_write else ""

    counted = counted_table(zone, edit=edit, new=new if may_write else "")
    rates = rates_table(edit=edit)
    for table, rows in ((counted, shown.counted), (rates, shown.rates)):
        if wants_file(table, query):
            # Of more holders than are told, the page says so above its tables.
            part = "-part" if shown.is_cut and one is found else ""
            kind = "rate-limits" if table is rates else "limits"
            name = f"{kind}-{place.tenant.slug}{part}"
            return file_of(table, rows, query, name=name)
    names, alerts = names_of(found.counted), crossings_table(zone)
    if wants_file(alerts, query):
        latest, cut = first_of(alerts, _crossings(place))
        told = [_crossed(each, names) for each in latest]
        return file_of(alerts, told, query, name=f"alerts-{place.tenant.slug}{cut}")
    context = {
        "place": place,
        "heading": Heading(
            "Limits", scope=(zone,), lead="What will stop or warn, and when."
        ),
        "nearest": bullets(found.counted, zone),
        "credit": credit_text(found.credit, place.tenant.currency),
        "tables": [
            *(
                table.laid_out(rows, query)
                for table, rows in ((counted, shown.counted), (rates, shown.rates))
                if rows or not asked
            ),
            _alerts(place, query, names),
        ],
        "is_one": asked is not None and one is not None,
        "is_gone": one is None,
        "is_cut": found.is_cut,
        "holders_max": HOLDERS_MAX,
        "may_write": may_write,
        "kinds": [(kind.value, word) for kind, word in _WORDS.items()],
    }
    return render(request, "pages/console/limits/list.html", context)


@form_page
@place_page
def new(request: HttpRequest, *, place: Member, kind: str) -> HttpResponse:
    """Ask for a limit of the tenant's own, and set it."""
    require(Scope.LIMITS_WRITE)
    asked = _kind(kind)
    form = LimitForm(
        request.POST if request.method == "POST" else None,
        kind=asked,
        currency=place.tenant.currency,
        whom=_whom(place),
    )
    if form.is_valid():
        try:
            holder = _holder(place, form.cleaned_data["whom"])
            _CREATE[asked](holder=holder, now=timezone.now(), **form.terms())
        except PlatformError as refused:
            _say(refused, form)
        else:
            messages.success(request, "The limit is set, and holds within a second.")
            return redirect("console:limits", tenant=place.tenant.slug)
    lead = (
        "It stands beside what operators have set, and the lower one holds. Whoever"
        " calls beyond it is refused, or nothing but told."
    )
    return _ask(request, place, form, title=f"New {_WORDS[asked]}", lead=lead)


@form_page
@place_page
def edit(
    request: HttpRequest, *, place: Member, kind: str, limit_id: int
) -> HttpResponse:
    """Change a limit of the tenant's own."""
    require(Scope.LIMITS_WRITE)
    asked, row = _kind(kind), _own(kind, limit_id)
    form = LimitForm(
        request.POST if request.method == "POST" else None,
        kind=asked,
        currency=place.tenant.currency,
        initial=_said(row),
    )
    if form.is_valid():
        try:
            services.change_limit(limit=row, now=timezone.now(), **form.terms())
        except PlatformError as refused:
            _say(refused, form)
        else:
            messages.success(request, "The limit is changed.")
            return redirect("console:limits", tenant=place.tenant.slug)
    end_at = reverse("console:limit_end", args=(place.tenant.slug, kind, row.pk))
    title = f"Change {row}"
    return _ask(request, place, form, title=title, end_at=end_at)


@form_page
@place_page
def end(
    request: HttpRequest, *, place: Member, kind: str, limit_id: int
) -> HttpResponse:
    """Ask whether a limit of the tenant's own shall end, then end it."""
    require(Scope.LIMITS_WRITE)
    row = _own(kind, limit_id)
    if request.method == "POST":
        services.end_limit(limit=row, now=timezone.now())
        messages.success(request, f"The limit of {row} has ended.")
        return redirect("console:limits", tenant=place.tenant.slug)
    lead = "What operators have set holds again at once. It stays readable by the API."
    return _ask(request, place, Form(), title=f"End {row}?", lead=lead, button="End it")


def _crossings(place: Member) -> QuerySet[Crossing]:
    rows = crossings(tenant_id=place.tenant_id)
    reach = current().project_ids
    return rows if reach is None else rows.filter(level="project", holder_id__in=reach)


def _crossed(each: Crossing, names: Names) -> Crossed:
    whose = names.get((each.level, each.holder_id))
    return Crossed(each, whose or f"{each.level} {each.holder_id}")


def _alerts(place: Member, query: dict[str, str], names: Names) -> LaidOut:
    table, rows = crossings_table(place.tenant.zone), _crossings(place)
    count, per = rows.count(), table.rows_per_page
    first = min(table.asked(query).offset(per), max(count - 1, 0) // per * per)
    page = [_crossed(each, names) for each in rows[first : first + per]]
    return table.laid_out(page, query, count=count)


def _kind(kind: str) -> Kind:
    try:
        return Kind(kind)
    except ValueError:
        raise NotFound(f"There is no limit called {kind[:20]}.") from None


def _own(kind: str, limit_id: int) -> Any:
    """Return a limit that the tenant has set; raises `NotFound`."""
    row: Limit = selectors.limit(MODELS[_kind(kind)], limit_id)
    if row.set_by != SetBy.TENANT:
        raise PermissionDenied(
            "The operators have set this limit. Set a lower one beside it."
        )
    if row.ended_at is not None:
        raise NotFound("This limit has ended.")
    return row


def _said(row: Any) -> dict[str, Any]:
    amount = getattr(row, "amount_picos", None)
    return {
        "amount_picos": None if amount is None else decimal_from_picos(amount),
        "value": getattr(row, "value", None),
        "is_hard": "stop" if row.is_hard else "warn",
        "warn_at": ", ".join(map(str, row.warn_at)),
    }


def _whom(place: Member) -> list[tuple[str, str]]:
    """Return whom a limit may be for: so many projects and keys as a list can hold."""
    tenant_id, reach = place.tenant_id, current().project_ids
    projects = selectors.projects(
        tenant_id=tenant_id, archived=False, project_ids=reach
    )
    keys = ApiKey.objects.filter(tenant_id=tenant_id, revoked_at=None)
    if reach is not None:
        keys = keys.filter(project_id__in=reach)
    whole = [("tenant", f"all of {place.tenant.name}")] if reach is None else []
    return [
        *whole,
        *((f"project-{p.pk}", f"project {p.slug}") for p in projects[:CHOICES_MAX]),
        *(
            (f"key-{key.pk}", f"key {key.name} ({key.shown})")
            for key in keys.order_by("-id")[:CHOICES_MAX]
        ),
    ]


def _holder(place: Member, whom: str) -> Holder:
    what, _, pk = whom.partition("-")
    if what == "project":
        return Holder.of(project=Project.objects.get(pk=int(pk)))
    if what == "key":
        return Holder.of(api_key=ApiKey.objects.get(pk=int(pk)))
    return Holder.of(tenant=place.tenant)


def _ask(
    request: HttpRequest, place: Member, form: Form, **context: Any
) -> HttpResponse:
    status = 400 if form.is_bound and form.errors else 200
    shown = {"place": place, "form": form, "button": "Save", **context}
    return render(request, "pages/console/limits/form.html", shown, status=status)


def _say(refused: PlatformError, form: LimitForm) -> None:
    name = form.fields_of_refusals.get(refused.param or "")
    form.add_error(name if name in form.fields else None, refused.message)
