"""The limits in effect and what is used of them, on the page of whom they hold for."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from kit.money import format_picos
from tenants import selectors
from tenants.admin.limits_in_use import Bar, CreditBar, in_use
from tenants.limits.resolution import Effective, Kind, Row
from tenants.models import ApiKey, Plan, Project, Tenant

_PAGES = {
    Kind.RATE_LIMIT: "tenants_ratelimit",
    Kind.QUOTA: "tenants_quota",
    Kind.BUDGET: "tenants_budget",
}
_LEVELS = {"tenant": "tenant", "project": "project", "api_key": "key"}


@dataclass(frozen=True, slots=True)
class Line:
    """One limit in effect, in words, with the page of the row that it comes from."""

    counted: str
    amount: str
    level: str
    model: str
    does: str
    is_binding: bool
    comes_from: str
    address: str
    beside: str
    bar: Bar | None
    row: Row


@dataclass(frozen=True, slots=True)
class LimitsOf:
    """All that holds for a tenant, project or key, and where more is set."""

    lines: list[Line]
    credit: CreditBar | None
    plan: Plan | None
    to_set: dict[str, str]


def limits_of(row: Any, *, now: dt.datetime) -> LimitsOf:
    """Read the limits in effect and what is used of them."""
    whom = _whom(row)
    found = selectors.effective_limits(now=now, **whom)
    used = in_use(whom, now=now)
    lines = [
        _line(each, is_binding=each in found.binding, bar=used.of(each))
        for each in found.chain
    ]
    return LimitsOf(lines, used.credit, found.plan, _to_set(row))


class ShowsLimits:
    """Admin pages whose row calls, or has what calls: with what it may use."""

    change_form_outer_after_template = "tenants/limits_in_effect.html"

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Show the form, with the limits in effect below it."""
        row = context.get("original")
        if row is not None:
            shown = limits_of(row, now=timezone.now())
            context["limits_in_effect"] = shown.lines
            context["limits_credit"] = shown.credit
            context["limits_plan"] = shown.plan
            context["limits_to_set"] = shown.to_set
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc]


def _whom(row: Any) -> dict[str, Any]:
    if isinstance(row, Tenant):
        return {"tenant": row}
    what = "project" if isinstance(row, Project) else "api_key"
    return {"tenant": row.tenant, what: row}


def _to_set(row: Any) -> dict[str, str]:
    """Return where each kind of limit is set for the row, by what to call it."""
    names = {Tenant: "tenant", Project: "project", ApiKey: "api_key"}
    query = urlencode({names[type(row)]: row.pk})
    return {
        kind.value.replace("_", " "): f"{reverse(f'admin:{page}_add')}?{query}"
        for kind, page in _PAGES.items()
    }


def _line(each: Effective, *, is_binding: bool, bar: Bar | None) -> Line:
    row, measure = each.row, each.row.measure
    window = f"per {measure.window}" if measure.window else "at a time"
    if measure.window == "forever":
        window = "in all"
    unit = measure.unit.replace("_", " ") or "money"
    page = f"admin:{_PAGES[measure.kind]}_change"
    return Line(
        counted=f"{unit} {window}",
        amount=_amount(row),
        level=_LEVELS[row.level],
        model=row.model or "all",
        does=_does(row),
        is_binding=is_binding,
        comes_from=_origin(row),
        address=reverse(page, args=(row.id,)),
        beside="" if each.beside is None else _beside(each.beside),
        bar=bar,
        row=row,
    )


def _amount(row: Row) -> str:
    if row.measure.kind is Kind.BUDGET:
        return f"{format_picos(row.value)} {row.measure.currency}"
    return f"{row.value:,}"


def _does(row: Row) -> str:
    shares = ", ".join(f"{share} %" for share in row.warn_at)
    warns = f", warns at {shares}" if shares else ""
    return ("stops" if row.is_hard else "warns only") + warns


def _origin(row: Row) -> str:
    if row.plan_id is not None:
        said = "plan's default"
    else:
        said = "set by the tenant" if row.is_tenants else "set by operators"
    until = f", until {row.ends_at:%Y-%m-%d %H:%M} UTC" if row.ends_at else ""
    return said + until


def _beside(row: Row) -> str:
    return f"{_amount(row)}, {_origin(row)}"
