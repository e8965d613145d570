"""A tenant's home: whether all is well, and what it costs so far.

Failure: before the first billing day is written there are no figures, and the way to a
first call stands in their place.
"""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from kit.acting import current
from kit.errors import NotFound
from kit.scopes import Scope
from metering.budgets.selectors import Place, standing
from metering.ledger.wallets import Wallet, wallet
from metering.usage.selectors import Dimension, UsageRow, database_now
from pages.charts.bullet import Bullet, bullet
from pages.charts.columns import Columns, Series, Slot, columns
from pages.charts.measure import Measure
from pages.console.frame import address_in, way_to
from pages.console.place import place_page, require
from pages.console.start.glance import RATE_DAYS, Before, Glance, dearest, glance
from pages.console.start.notices import notices
from pages.design.cells import Kind, money, number, words
from pages.design.heading import Heading, fresh
from pages.design.states import Empty
from pages.design.table import Column, LaidOut, Table
from pages.design.tiles import Tile, missing_tile, money_tile, number_tile
from pages.figures import exact, rounded
from tenants.models import Member, Tenant

GATES = 3
_WINDOWS = {"day": "day", "month": "month", "forever": "in all"}


@require_safe
@place_page
def home(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show what stands out of a tenant."""
    require(Scope.TENANT_READ)
    tenant, now = place.tenant, database_now()
    is_whole = current().project_ids is None
    credit = wallet(tenant=tenant, now=now) if is_whole else None
    may_call = current().may(Scope.GENERATE)
    context: dict[str, Any] = {
        "place": place,
        "start": address_in(tenant)("console:start") if may_call else "",
    }
    try:
        seen = glance(tenant=tenant, now=now)
    except NotFound:
        context["heading"] = Heading(tenant.name)
        return render(request, "pages/console/start/home.html", context)
    context |= {
        "heading": _heading(tenant, seen, now=now, is_whole=is_whole),
        "notices": notices(place, today=seen.today, credit=credit, now=now),
        "tiles": _tiles(tenant, seen, credit),
        "limits": way_to(tenant, "console:limits"),
        "gates": _gates(tenant, now) if is_whole else [],
        "is_new": not any(day.requests for day in seen.days) and not seen.requests,
        "chart": _chart(tenant, seen),
        "tables": _dearest(tenant, seen, now),
    }
    return render(request, "pages/console/start/home.html", context)


def _heading(
    tenant: Tenant, seen: Glance, *, now: dt.datetime, is_whole: bool
) -> Heading:
    whose = () if is_whole else ("your projects",)
    return Heading(
        tenant.name,
        scope=(
            f"{seen.span.name}, so far",
            f"days of {tenant.zone}",
            tenant.currency,
            "excluding tax",
            *whose,
        ),
        fresh=fresh(seen.complete_to, now=now),
    )


def _tiles(tenant: Tenant, seen: Glance, credit: Wallet | None) -> list[Tile]:
    currency = tenant.currency
    found = [
        money_tile(
            "Spend so far",
            seen.spent,
            currency,
            address=way_to(tenant, "console:usage"),
            note=_compared(seen.before, tenant),
        )
    ]
    if credit is not None and (
        tenant.payment_mode == Tenant.PaymentMode.PREPAID or credit.granted
    ):
        found.append(
            money_tile(
                "Credit left",
                credit.available,
                currency,
                address=_credit_page(tenant),
                note=_lasts(credit, seen),
            )
        )
    found.append(
        number_tile(
            "Requests",
            seen.requests,
            address=way_to(tenant, "console:requests"),
            note="in this period",
        )
    )
    a_day = f"on average of the last whole days, {RATE_DAYS} at most"
    found.append(
        money_tile("A day", seen.rate, currency, note=a_day)
        if seen.rate
        else missing_tile("A day", "nothing", note=a_day)
    )
    return found


def _credit_page(tenant: Tenant) -> str:
    may_read = current().may(Scope.BILLING_READ)
    return way_to(tenant, "console:credit") if may_read else ""


def _compared(before: Before | None, tenant: Tenant) -> str:
    if before is None:
        return "the first period"
    was = rounded(before.picos, tenant.currency).shown
    until = before.until.astimezone(ZoneInfo(tenant.zone))
    return f"{before.first:%d %b} to {until:%d %b %H:%M}: {was}"


def _lasts(credit: Wallet, seen: Glance) -> str:
    held = exact(credit.held, credit.currency)
    parts = [f"{held} held by running requests"] if credit.held else []
    if seen.rate:
        days = credit.available // seen.rate
        parts.insert(0, f"about {days:,} days at what a day costs now")
    return "; ".join(parts)


def _gates(tenant: Tenant, now: dt.datetime) -> list[Bullet]:
    """Draw what is nearest to stopping or warning, of the tenant as a whole."""
    places = [
        each for each in standing(tenant=tenant, now=now).places if each.limited_by
    ]
    return [_gate(each, tenant.zone) for each in places[:GATES]]


def _gate(place: Place, zone: str) -> Bullet:
    what = place.what
    noun = what.unit.replace("_", " ")
    of = f" of {what.model}" if what.model else ""
    ends = "stops at 100 %" if what.is_hard else "warns, stops nothing"
    if not place.is_for_ever:
        resets = place.ends_at.astimezone(ZoneInfo(zone))
        ends += f"; resets {resets:%Y-%m-%d %H:%M} {zone}"
    span = _WINDOWS.get(what.window, what.window)
    return bullet(
        f"{what.kind.capitalize()}{of}, {span}",
        Measure(place.currency) if place.currency else Measure(noun=noun),
        value=place.posted + place.held,
        limit=place.limit,
        warn_percent=80,
        ends=ends,
    )


def _chart(tenant: Tenant, seen: Glance) -> Columns:
    return columns(
        "spend",
        f"Spend by day, last {len(seen.days)} days",
        Measure(tenant.currency),
        axis="Day",
        slots=[
            Slot(
                f"{day.date}",
                f"{day.date:%d %b}",
                is_running=day.date == seen.today,
                is_landmark=day.date.day == 1,
            )
            for day in seen.days
        ],
        series=[Series("Spend", [day.picos for day in seen.days])],
    )


def _dearest(tenant: Tenant, seen: Glance, now: dt.datetime) -> list[LaidOut]:
    asked = [(Dimension.MODEL, "models", "Model")]
    if current().may(Scope.KEYS_READ):
        asked.append((Dimension.KEY, "keys", "API key"))
    found = []
    for by, name, heading in asked:
        dear = dearest(tenant=tenant, span=seen.span, by=by, now=now)
        if dear is not None:
            rows, of = dear
            table = _table(name, heading, of, tenant.currency)
            found.append(table.laid_out(rows, {}))
    return found


def _table(name: str, heading: str, of: int, currency: str) -> Table[UsageRow]:
    return Table(
        name=name,
        title=f"Top {name}" if of > 1 else f"By {heading}",
        is_one_of_many=True,
        has_file=False,
        note=f"by spend, of {of:,} in this period" if of > 1 else "",
        empty=Empty("Nothing used in this period yet"),
        columns=(
            Column(name, heading, lambda row: words(_name(row))),
            Column(
                "requests",
                "Requests",
                lambda row: number(row.requests),
                Kind.NUMBER,
            ),
            Column(
                "spend",
                f"Spend, {currency}",
                lambda row: money(row.charge_picos, currency),
                Kind.NUMBER,
            ),
        ),
    )


def _name(row: UsageRow) -> str:
    return row.group.model or row.group.api_key or ""
