"""The page of cohorts: tenants by the month of their first revenue, and who stayed.

Each cell is a month of a cohort and opens its tenants with what they brought in then.
Every figure is `metering.ledger.cohorts`'; only cohorts of one currency are added up.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.errors import InvalidRequest
from kit.orm.snapshot import snapshot
from kit.wording import counted
from metering.ledger.cohorts import Kept, cohorts
from metering.ledger.months import month_after
from pages.access import staff_page
from pages.charts.columns import Slot
from pages.charts.lines import Line, lines
from pages.charts.measure import Measure
from pages.design import cells
from pages.design.address import address
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, missing_tile, number_tile, percent_tile
from pages.finance.choice import Option
from pages.finance.drawings import Drawing
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_LEDGER

MONTHS = 12
BY = {"tenants": "Tenants", "revenue": "Revenue"}
EMPTY = Empty(
    "Nobody's first revenue is in these months",
    "A tenant joins the cohort of the first month whose net revenue is above zero.",
)
_WHOLE, _MILLE = 100, 1000
# After so many months it is told at a glance what is left.
_TOLD = (1, 3, 6)

Cohort = Sequence[Kept]


def _rows_behind(kept: Kept) -> str:
    """Return where the tenants of a cohort are, with a month's revenue of each."""
    query = {
        "month": f"{kept.month:%Y-%m}",
        "currency": kept.currency,
        "by": "tenant",
        "cohort": f"{kept.cohort:%Y-%m}",
    }
    return reverse("finance:revenue") + address(query)


def _part(kept: Kept, by: str) -> tuple[int, int]:
    """Return what is left, and of how much."""
    if by == "tenants":
        return kept.tenants, kept.size
    return kept.picos, kept.first_picos


def _left(cohort: Cohort, by: str, since: int) -> Cell:
    """Return a cell of the matrix: a share with a bar, and the way to its rows."""
    if since >= len(cohort):
        return cells.nothing("")
    kept = cohort[since]
    part, whole = _part(kept, by)
    cell = cells.percent(part, whole, address=_rows_behind(kept))
    return replace(cell, share=min(max(_MILLE * part // whole, 0), _MILLE))


def _share(cohort: Cohort, by: str, since: int) -> int | None:
    """Return what a column is sorted by."""
    if since >= len(cohort):
        return None
    part, whole = _part(cohort[since], by)
    return 10**6 * part // whole


def matrix(by: str) -> Table[Cohort]:
    """Return the table of cohorts by months since their first."""
    return Table(
        name="cohorts",
        title=f"{BY[by]} kept, by month of first revenue",
        usual_sort="-cohort",
        note="Shares of the first month, so many months later; each opens the tenants"
        " behind it. The last of a row is of the month chosen above. Who paid nothing"
        " for a while and came back is kept again.",
        empty=EMPTY,
        columns=(
            Column(
                "cohort",
                "First revenue in",
                lambda row: cells.month(row[0].cohort, address=_rows_behind(row[0])),
                sort=lambda row: row[0].cohort,
            ),
            Column(
                "tenants",
                "Tenants",
                lambda row: cells.number(row[0].size),
                Kind.NUMBER,
                sort=lambda row: row[0].size,
            ),
            *(
                Column(
                    f"after-{since}",
                    f"+{since}",
                    partial(_left, by=by, since=since),
                    Kind.NUMBER,
                    sort=partial(_share, by=by, since=since),
                    note=f"{counted(since, 'month', 'months')} after the first.",
                )
                for since in range(1, MONTHS)
            ),
        ),
    )


def _money(kept: Kept, name: str) -> Cell:
    return cells.money(getattr(kept, name), kept.currency)


MONTHLY: Table[Kept] = Table(
    name="months",
    title="Every month of each cohort",
    note="What the shares above are of. Revenue is net, on the months' own days.",
    is_one_of_many=True,
    empty=EMPTY,
    columns=(
        Column("cohort", "First revenue in", lambda row: cells.month(row.cohort)),
        Column(
            "month",
            "Month",
            lambda row: cells.month(row.month, address=_rows_behind(row)),
        ),
        Column("since", "After", lambda row: cells.number(row.since), Kind.NUMBER),
        Column("size", "Tenants", lambda row: cells.number(row.size), Kind.NUMBER),
        Column("kept", "Kept", lambda row: cells.number(row.tenants), Kind.NUMBER),
        Column(
            "kept-percent",
            "Of tenants",
            lambda row: cells.percent(row.tenants, row.size),
            Kind.NUMBER,
        ),
        Column(
            "first",
            "First month",
            partial(_money, name="first_picos"),
            Kind.NUMBER,
        ),
        Column("revenue", "Revenue", partial(_money, name="picos"), Kind.NUMBER),
        Column(
            "revenue-percent",
            "Of the first",
            lambda row: cells.percent(row.picos, row.first_picos),
            Kind.NUMBER,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
)


@require_safe
@staff_page(*SEE_LEDGER)
def page(request: HttpRequest) -> HttpResponse:
    """Show a year's cohorts up to a month: who stayed, and what they bring in."""
    with snapshot():
        scope = scope_of(request)
        by = scope.query.get("by", "tenants")
        if by not in BY:
            raise InvalidRequest(f"'by' is one of {', '.join(BY)}.", param="by")
        first = month_after(scope.month, 1 - MONTHS)
        found = cohorts(first=first, last=scope.month, currency=scope.currency)
        table, rows = matrix(by), list(found.values())
        monthly = [kept for row in reversed(rows) for kept in row]
        if wants_file(table, scope.query):
            name = f"cohorts-{by}-{scope.slug}"
            return file_of(table, rows, scope.query, name=name)
        if wants_file(MONTHLY, scope.query):
            name = f"cohorts-months-{scope.slug}"
            return file_of(MONTHLY, monthly, scope.query, name=name)
        context = {
            "heading": Heading(
                "Cohorts",
                scope=scope.said,
                fresh=scope.fresh(),
                lead="Who stayed of those that first paid in a month, and what they"
                " bring in since.",
            ),
            "controls": [("Kept", _ways(scope, by))],
            "form": scope.filters,
            "empty": scope.empty,
            "hero": _tiles(scope, found),
            "charts": _drawn(scope, rows, by),
            "tables": [
                table.laid_out(rows, scope.query),
                MONTHLY.laid_out(monthly, scope.query),
            ],
        }
    return render(request, "pages/finance/page.html", context)


def _ways(scope: Scope, by: str) -> list[Option]:
    return [
        Option(heading, scope.address(by=name, sort="", page=""), name == by)
        for name, heading in BY.items()
    ]


def _over(scope: Scope, rows: Sequence[Cohort], since: int) -> list[Kept]:
    """Return the month so long after the first of each cohort, where it is over."""
    reached = [row[since] for row in rows if since < len(row)]
    return [kept for kept in reached if kept.month < scope.this_month]


def _tiles(scope: Scope, found: Mapping[dt.date, Cohort]) -> list[Tile]:
    if not scope.currency:
        return []
    rows = list(found.values())
    newest = found.get(scope.month)
    tiles = [
        number_tile(
            "New tenants",
            newest[0].size if newest else 0,
            address=_rows_behind(newest[0]) if newest else "",
            note="first revenue in the month" + (", so far" * scope.is_running),
        )
    ]
    for since in _TOLD:
        label = f"Kept after {counted(since, 'month', 'months')}"
        kept = _over(scope, rows, since)
        if not kept:
            tiles.append(missing_tile(label, note="no cohort is that old"))
            continue
        part = sum(each.tenants for each in kept)
        whole = sum(each.size for each in kept)
        note = f"{part:,} of {counted(whole, 'tenant', 'tenants')}"
        tiles.append(percent_tile(label, part, whole, note=note))
    return tiles


def _drawn(scope: Scope, rows: Sequence[Cohort], by: str) -> list[Drawing]:
    """Draw what is left of all cohorts together, by months since their first."""
    reached = [kept for since in range(MONTHS) if (kept := _over(scope, rows, since))]
    if len(reached) < 2:
        return []

    parts = [[_part(kept, by) for kept in column] for column in reached]
    shares = [
        _rounded(sum(part for part, _ in each), sum(whole for _, whole in each))
        for each in parts
    ]
    chart = lines(
        "kept",
        f"{BY[by]} kept of all these cohorts, by months since the first",
        Measure(noun="%"),
        slots=[
            Slot(f"{counted(since, 'month', 'months')} after", f"+{since}")
            for since in range(len(reached))
        ],
        series=[Line(f"{BY[by]} kept", shares)],
        axis="Month",
        sentence="Of each only the cohorts that are as old, in months that are over.",
    )
    return [("pages/parts/lines.html", chart)]


def _rounded(part: int, whole: int) -> int:
    """Return a share in whole percent, half up."""
    return (2 * _WHOLE * part + whole) // (2 * whole)
