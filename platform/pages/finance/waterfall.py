"""The page of what was sold ahead: booked, recognised, and what remains, by month."""

from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.orm.snapshot import snapshot
from metering.ledger.deferred import Deferred, deferred_by_month
from metering.ledger.months import month_after
from pages.access import staff_page
from pages.charts.bridge import Step, bridge
from pages.charts.columns import Series, Slot, columns
from pages.charts.measure import Measure
from pages.design import cells
from pages.design.address import address
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, money_tile
from pages.finance.drawings import Drawing
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_LEDGER

MONTHS = 12
# The field, what stands over it, and what exactly it holds.
MOVED = (
    ("opening_picos", "Opening", "What was owed when the month began."),
    ("booked_picos", "Booked", "Credit sold, and fees and top-ups charged ahead."),
    ("used_picos", "Used", "Credit that use took: revenue."),
    ("fees_picos", "Fees earned", "Of fees charged ahead, once their period is over."),
    ("expired_picos", "Expired", "Credit that ran out: breakage, if it was paid for."),
    ("returned_picos", "Returned", "Refunds, credit notes and charge backs."),
    ("closing_picos", "Remaining", "What is owed at the end: the sum of all before."),
)


def _moved(row: Deferred, name: str) -> Cell:
    return cells.money(getattr(row, name), row.currency)


def _amount(row: Deferred, name: str) -> int:
    return int(getattr(row, name))


def _table(scope: Scope) -> Table[Deferred]:
    return Table(
        name="waterfall",
        title="By month",
        usual_sort="-month",
        note="Wallets and deferred revenue in the ledger, taken together.",
        empty=Empty("Nothing was sold ahead", "Nothing moved in these months."),
        columns=(
            Column(
                "month",
                "Month",
                lambda row: cells.month(
                    row.month,
                    address=reverse("finance:credit")
                    + address(
                        {"month": f"{row.month:%Y-%m}", "currency": row.currency}
                    ),
                    note="so far" if row.month >= scope.this_month else "",
                ),
                sort=lambda row: row.month,
            ),
            *(
                Column(
                    name.removesuffix("_picos"),
                    heading,
                    partial(_moved, name=name),
                    Kind.NUMBER,
                    sort=partial(_amount, name=name),
                    note=note,
                )
                for name, heading, note in MOVED
            ),
            Column(
                "currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT
            ),
        ),
    )


@require_safe
@staff_page(*SEE_LEDGER)
def page(request: HttpRequest) -> HttpResponse:
    """Show what was sold ahead in a year up to a month, and what became of it."""
    with snapshot():
        scope = scope_of(request)
        found = deferred_by_month(
            first=month_after(scope.month, 1 - MONTHS),
            last=scope.month,
            currency=scope.currency,
        )
        table, now = _table(scope), found[-1]
        if wants_file(table, scope.query):
            name = f"sold-ahead-{scope.slug}"
            return file_of(table, found, scope.query, name=name)
        context = {
            "heading": Heading(
                "Sold ahead",
                scope=scope.said,
                fresh=scope.fresh(),
                lead="What was sold ahead, what of it was earned, and what remains.",
            ),
            "form": scope.filters,
            "empty": scope.empty,
            "hero": _tiles(scope, now),
            "charts": [_bridge(scope, now), _columns(scope, found)]
            if scope.currency
            else [],
            "tables": [table.laid_out(found, scope.query)],
        }
    return render(request, "pages/finance/page.html", context)


def _tiles(scope: Scope, now: Deferred) -> list[Tile]:
    if not scope.currency:
        return []
    when = "now" if scope.is_running else f"at the end of {scope.month:%B}"
    return [
        money_tile("Remaining", now.closing_picos, scope.currency, note=when),
        money_tile("Booked", now.booked_picos, scope.currency, note="in the month"),
        money_tile(
            "Recognised", now.recognised_picos, scope.currency, note="in the month"
        ),
        money_tile(
            "Returned", -now.returned_picos, scope.currency, note="in the month"
        ),
    ]


def _bridge(scope: Scope, now: Deferred) -> Drawing:
    chart = bridge(
        "remaining",
        f"What moved what remains, {scope.name}",
        Measure(scope.currency),
        opening=Step("Opening", now.opening_picos),
        steps=[
            Step(heading, getattr(now, name))
            for name, heading, _ in MOVED
            if name not in {"opening_picos", "closing_picos"}
        ],
        closing=Step("Remaining", now.closing_picos),
    )
    return "pages/parts/bridge.html", chart


def _columns(scope: Scope, found: list[Deferred]) -> Drawing:
    chart = columns(
        "recognised",
        f"Recognised by month, {scope.currency}",
        Measure(scope.currency),
        slots=[
            Slot(
                f"{row.month:%Y-%m}",
                f"{row.month:%b %Y}" if row.month.month == 1 else f"{row.month:%b}",
                is_running=row.month >= scope.this_month,
                is_landmark=row.month.month == 1,
            )
            for row in found
        ],
        series=[
            Series("Used", [-row.used_picos for row in found], 1),
            Series("Fees earned", [-row.fees_picos for row in found], 2),
            Series("Expired", [-row.expired_picos for row in found], 4),
        ],
    )
    return "pages/parts/columns.html", chart
