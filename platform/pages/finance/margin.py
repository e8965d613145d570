"""The margin page: what use brought, what its replicas cost, what stood idle.

Every figure is of `metering.economics`; revenue is use as the ledger has it.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.errors import InvalidRequest
from kit.orm.snapshot import snapshot
from metering.economics import selectors
from metering.economics.selectors import Coverage, Dimension, Margin, MarginRow
from metering.ledger.months import month_after
from pages.access import staff_page
from pages.charts.columns import Slot
from pages.charts.lines import Line as ChartLine
from pages.charts.lines import Lines, lines
from pages.charts.measure import Measure
from pages.design import cells
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, wants_file
from pages.design.heading import Fresh, Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, money_tile, percent_tile
from pages.finance.choice import Option
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_MARGIN
from tenants.models import Tenant

BY = {"model": Dimension.MODEL, "tenant": Dimension.TENANT, "day": Dimension.DAY}
EMPTY = Empty(
    "Nothing was used and no replica was there",
    "Days are worked out every ten minutes, from use, postings and the replicas that "
    "were seen.",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table."""

    name: str
    order: str
    address: str
    row: MarginRow
    currency: str
    note: str = ""
    is_idle: bool = False


def _picos(name: str) -> Callable[[Line], Cell]:
    return lambda line: cells.money(getattr(line.row, name), line.currency)


def _count(name: str) -> Callable[[Line], Cell]:
    def cell(line: Line) -> Cell:
        return (
            cells.nothing("none")
            if line.is_idle
            else cells.number(getattr(line.row, name))
        )

    return cell


def _value(line: Line, name: str) -> int:
    found: int = getattr(line.row, name)
    return found


def _share(line: Line) -> Cell:
    return cells.percent(line.row.margin_picos, line.row.revenue_picos)


def _column(name: str, heading: str, cell: Any, note: str = "") -> Column[Line]:
    sort = partial(_value, name=name)
    return Column(
        name.removesuffix("_picos"), heading, cell(name), Kind.NUMBER, sort, note
    )


def table_of(by: str) -> Table[Line]:
    """Return the table of margins by model, tenant or day."""
    return Table(
        name="margin",
        title=f"By {by}",
        usual_sort="name" if by == "day" else "-revenue",
        empty=EMPTY,
        note="Use at its rated amount, before discounts, fees and credit given away. "
        "Cost by work: output tokens, and input at the weight of its rate.",
        columns=(
            Column(
                "name",
                by.capitalize(),
                lambda line: cells.words(
                    line.name, address=line.address, note=line.note
                ),
                sort=lambda line: line.order,
            ),
            _column("requests", "Requests", _count),
            _column("input_tokens", "Input", _count, "Tokens, uncached."),
            _column("cached_input_tokens", "Cached", _count, "Input tokens, cached."),
            _column("output_tokens", "Output", _count, "Tokens."),
            _column("revenue_picos", "Revenue", _picos),
            _column("cost_picos", "Cost", _picos),
            _column("margin_picos", "Margin", _picos),
            Column("share", "Margin, %", _share, Kind.NUMBER),
            Column(
                "currency",
                "Currency",
                lambda line: cells.unit(line.currency),
                Kind.UNIT,
            ),
        ),
    )


@require_safe
@staff_page(*SEE_MARGIN)
def page(request: HttpRequest) -> HttpResponse:
    """Show a month's margins by model, tenant or day, idle time in rows of its own."""
    with snapshot():
        scope = scope_of(request)
        by = scope.query.get("by") or "model"
        if by not in BY:
            raise InvalidRequest(f"'by' is one of {', '.join(BY)}.", param="by")
        first, end = scope.month, month_after(scope.month)
        whose = _whose(scope)
        found = selectors.margin(
            currency=scope.currency,
            first=first,
            end=end,
            by=BY[by],
            model=scope.query.get("model", ""),
            tenant_id=whose.pk if whose else None,
        )
        table, rows = table_of(by), _lines(scope, found, by)
        if wants_file(table, scope.query):
            return file_of(table, rows, scope.query, name=f"margin-{scope.slug}")
        covered = selectors.coverage(first=first, end=end, now=scope.now)
        costs = selectors.currencies(first=first, end=end)
        context = {
            "heading": _heading(scope, covered, whose),
            "form": scope.filters,
            "controls": [("By", _ways(scope, by))],
            "empty": scope.empty,
            "hero": _hero(scope, found),
            "tiles": _tiles(scope, covered, costs),
            "charts": _charts(scope, first, end, whose),
            "tables": [
                table.laid_out(
                    rows, scope.query, totals=_totals(found) if found.rows else ()
                )
            ],
        }
    return render(request, "pages/finance/page.html", context)


def _whose(scope: Scope) -> Tenant | None:
    slug = scope.query.get("tenant", "")
    if not slug:
        return None
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise InvalidRequest(f"There is no tenant '{slug[:63]}'.", param="tenant")
    return tenant


def _heading(scope: Scope, covered: Coverage, whose: Tenant | None) -> Heading:
    model = scope.query.get("model", "")
    narrowed = (*((whose.name,) if whose else ()), *((model,) if model else ()))
    fresh = None
    if covered.complete_to is not None:
        waiting = (
            f"{covered.missing} days are not worked out" if covered.missing else ""
        )
        fresh = Fresh(covered.complete_to, lags=bool(covered.missing), waiting=waiting)
    return Heading(
        "Margin",
        scope=(*narrowed, *scope.said),
        fresh=fresh,
        lead="Which models and tenants earn, and what stands idle.",
    )


def _ways(scope: Scope, by: str) -> list[Option]:
    return [
        Option(way.capitalize(), scope.address(by=way, page="", sort=""), way == by)
        for way in BY
    ]


def _lines(scope: Scope, found: Margin, by: str) -> list[Line]:
    if by == "tenant":
        rows = _of_tenants(scope, found.rows)
    else:
        rows = [_line(scope, row, by) for row in found.rows]
    idle = [
        Line(
            name="Idle",
            order=f"~{row.key}",
            address=f"{reverse('finance:costs')}?month={scope.month:%Y-%m}",
            row=row,
            currency=scope.currency,
            note=f"{row.key}" if row.key else "",
            is_idle=True,
        )
        for row in found.idle
        if row.cost_picos
    ]
    return rows + idle


def _of_tenants(scope: Scope, rows: Sequence[MarginRow]) -> list[Line]:
    names: dict[Any, tuple[str, str]] = {
        pk: (name, slug)
        for pk, name, slug in Tenant.objects.filter(
            pk__in=[row.key for row in rows]
        ).values_list("pk", "name", "slug")
    }
    # Put together by hand: there are thousands, and a slug stands in a query as it is.
    clean = {"by": "model", "tenant": "", "page": "", "sort": ""}
    of_tenant = f"{scope.address(**clean)}&tenant="
    found = []
    for row in rows:
        name, slug = names.get(row.key, (f"tenant {row.key}", ""))
        address = f"{of_tenant}{slug}" if slug else ""
        found.append(Line(name, name.lower(), address, row, scope.currency, slug))
    return found


def _line(scope: Scope, row: MarginRow, by: str) -> Line:
    if by == "day":
        return Line(f"{row.key}", f"{row.key}", "", row, scope.currency)
    address = scope.address(by="tenant", model=f"{row.key}", page="", sort="")
    return Line(f"{row.key}", f"{row.key}", address, row, scope.currency)


def _totals(found: Margin) -> list[dict[str, Cell]]:
    named = (("All that was used", found.used), ("With idle time", found.whole))
    return [
        {
            "name": cells.words(name),
            "requests": cells.number(row.requests),
            "input_tokens": cells.number(row.input_tokens),
            "cached_input_tokens": cells.number(row.cached_input_tokens),
            "output_tokens": cells.number(row.output_tokens),
            "revenue": cells.money(row.revenue_picos, found.currency),
            "cost": cells.money(row.cost_picos, found.currency),
            "margin": cells.money(row.margin_picos, found.currency),
            "share": cells.percent(row.margin_picos, row.revenue_picos),
            "currency": cells.unit(found.currency),
        }
        for name, row in (named if found.idle else named[:1])
    ]


def _hero(scope: Scope, found: Margin) -> list[Tile]:
    if not scope.currency:
        return []
    idle = found.whole.cost_picos - found.used.cost_picos
    return [
        percent_tile(
            "Margin of use",
            found.whole.margin_picos,
            found.whole.revenue_picos,
            note="idle time included",
        ),
        percent_tile(
            "Before idle time", found.used.margin_picos, found.used.revenue_picos
        ),
        money_tile(
            "Revenue of use",
            found.used.revenue_picos,
            scope.currency,
            address="#margin",
        ),
        money_tile(
            "Cost",
            found.whole.cost_picos,
            scope.currency,
            note="of all replicas",
            address=f"{reverse('finance:costs')}?month={scope.month:%Y-%m}",
        ),
        money_tile("Idle", idle, scope.currency, note="of the cost"),
    ]


def _tiles(scope: Scope, covered: Coverage, costs: list[str]) -> list[Tile]:
    """Say what keeps the margin from being trusted; nothing where nothing does."""
    address = f"{reverse('finance:costs')}?month={scope.month:%Y-%m}"
    found = []
    if covered.unpriced_us:
        hours, _ = selectors.hours_of(covered.unpriced_us)
        badge = Badge("cost unknown", Tone.BAD)
        found.append(_hours("Without a rate", hours, badge, address))
    if covered.unmeasured_us:
        hours, _ = selectors.hours_of(covered.unmeasured_us)
        badge = Badge("idle time unknown", Tone.WAIT)
        found.append(_hours("Without full load", hours, badge, address))
    others = [each for each in costs if each != scope.currency]
    if others:
        note = "earned or spent besides, and not added"
        found.append(Tile("Other currencies", ", ".join(others), note=note))
    return found


def _hours(label: str, hours: int, badge: Badge, address: str) -> Tile:
    return Tile(label, f"{hours:,}", unit="replica-hours", badge=badge, address=address)


def _charts(
    scope: Scope, first: dt.date, end: dt.date, whose: Tenant | None
) -> list[tuple[str, Lines]]:
    """Draw revenue against cost by day; a tenant's cost holds no idle time."""
    if not scope.currency:
        return []
    narrowed: dict[str, Any] = {
        "currency": scope.currency,
        "first": first,
        "end": end,
        "model": scope.query.get("model", ""),
    }
    by_day = selectors.margin_by_day(**narrowed, tenant_id=whose.pk if whose else None)
    today = scope.now.astimezone(dt.UTC).date()
    days = [first + dt.timedelta(days=n) for n in range((end - first).days)]
    known = [by_day.get(day, (0, 0)) if day <= today else None for day in days]
    if not by_day:
        return []
    drawn = lines(
        "by-day",
        "Revenue and cost by day",
        Measure(scope.currency),
        slots=[
            Slot(f"{day:%d %B}", f"{day.day}", is_running=day == today) for day in days
        ],
        series=[
            ChartLine("Revenue", [each[0] if each else None for each in known], 1),
            ChartLine(
                "Cost" if whose else "Cost, idle time included",
                [each[1] if each else None for each in known],
                4,
            ),
        ],
    )
    return [("pages/parts/lines.html", drawn)]
