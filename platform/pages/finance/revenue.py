"""The revenue page: what was earned, from whom and on what, and what was taken off.

Every figure is the ledger's (`metering.ledger.earned`); nothing is added up here but
rows of one currency into their total.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.contracts import TokenClass
from kit.errors import InvalidRequest
from kit.orm.snapshot import snapshot
from metering.ledger.cohorts import cohort_tenants
from metering.ledger.earned import (
    Earned,
    ModelUse,
    Part,
    revenue,
    revenue_by_month,
    revenue_by_tenant,
    use_by_model,
)
from metering.ledger.months import last_day, month_after
from pages.access import staff_page
from pages.design import cells
from pages.design.address import address
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Row, Table
from pages.design.tiles import Tile, money_tile, number_tile, percent_tile
from pages.finance.choice import Option
from pages.finance.drawings import Drawing, models_drawing, revenue_drawing
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_LEDGER
from tenants.models import Tenant

MONTHS = 12
CLASSES = {
    TokenClass.INPUT: "Input",
    TokenClass.CACHED_INPUT: "Cached input",
    TokenClass.OUTPUT: "Output",
}
BY = {"month": "Month", "tenant": "Tenant", "model": "Model"}
# What stands over a column, and what exactly it holds.
PARTS = {
    Part.USE: ("Use", "Tokens at their price, on the day they were used."),
    Part.FEES: ("Fees earned", "Fees paid in advance, once their period is over."),
    Part.PLANS: (
        "Plans",
        "What tiers, minimums and fees in arrears make of use, as it is invoiced.",
    ),
    Part.BREAKAGE: ("Breakage", "Credit that was paid for and expired unused."),
    Part.DISCOUNTS: ("Discounts", "Discounts of plans and contracts."),
    Part.GIVEN: (
        "Given",
        "Credit that was given away: promotional credit as it is used, other credit "
        "as it is given.",
    ),
    Part.NOTES: ("Notes", "Credit notes."),
}
EMPTY = Empty(
    "Nothing was earned here yet",
    "Use is in the books once its day is over, an hour and a lease's life later. "
    "What was used since is on the page of usage.",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One row: a month or a tenant, and what it earned."""

    name: str
    order: str
    address: str
    earned: Earned
    note: str = ""
    of_most: int = 0


def _money(part: Part, line: Line) -> Cell:
    return cells.money(line.earned.parts[part], line.earned.currency)


def _by_part(line: Line, part: Part) -> int:
    return line.earned.parts[part]


def _table(by: str) -> Table[Line]:
    parts = [
        Column(
            part.value,
            heading,
            partial(_money, part),
            Kind.NUMBER,
            sort=partial(_by_part, part=part),
            note=note,
        )
        for part, (heading, note) in PARTS.items()
    ]
    return Table(
        name="revenue",
        title=f"By {by}",
        usual_sort="-name" if by == "month" else "-net",
        empty=EMPTY,
        columns=(
            Column(
                "name",
                BY[by],
                lambda line: cells.words(
                    line.name, address=line.address, note=line.note
                ),
                sort=lambda line: line.order,
            ),
            *parts,
            Column(
                "net",
                "Net",
                lambda line: cells.money(
                    line.earned.net_picos, line.earned.currency, share=line.of_most
                ),
                Kind.NUMBER,
                sort=lambda line: line.earned.net_picos,
                note="All of the row: what was earned less what was taken off.",
            ),
            Column("currency", "Currency", _currency, Kind.UNIT),
        ),
    )


def _currency(line: Line) -> Cell:
    return cells.unit(line.earned.currency)


def _tokens(row: ModelUse, token_class: TokenClass) -> int:
    return row.tokens.get(token_class, 0)


def _class_column(token_class: TokenClass, heading: str) -> Column[ModelUse]:
    return Column(
        token_class.name.lower(),
        heading,
        lambda row: cells.number(_tokens(row, token_class)),
        Kind.NUMBER,
        sort=lambda row: _tokens(row, token_class),
    )


def _model_table(scope: Scope) -> Table[ModelUse]:
    usage = reverse("finance:usage")
    days = {"from": f"{scope.month}", "to": f"{last_day(scope.month)}"}
    return Table(
        name="revenue",
        title="Use by model",
        usual_sort="-use",
        empty=EMPTY,
        note="What is not of one model, such as fees and discounts, stands by month and"
        " by tenant.",
        columns=(
            Column(
                "name",
                "Model",
                lambda row: cells.words(
                    row.model, address=usage + address(days, model=row.model)
                ),
                sort=lambda row: row.model,
            ),
            *(_class_column(each, heading) for each, heading in CLASSES.items()),
            Column(
                "use",
                "Use",
                lambda row: cells.money(row.charge_picos, row.currency),
                Kind.NUMBER,
                sort=lambda row: row.charge_picos,
            ),
            Column(
                "currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT
            ),
        ),
    )


@require_safe
@staff_page(*SEE_LEDGER)
def page(request: HttpRequest) -> HttpResponse:
    """Show what was earned, by month, tenant or model."""
    with snapshot():
        scope = scope_of(request)
        by = scope.query.get("by", "month")
        if by not in BY:
            raise InvalidRequest(f"'by' is one of {', '.join(BY)}.", param="by")
        if scope.cohort and by != "tenant":
            raise InvalidRequest("'cohort' goes with 'by=tenant'.", param="cohort")
        if by == "model":
            models = _models(scope)
            drawn = [
                models_drawing(models, currency=scope.currency, when=scope.name)
                for _ in models[:1]
            ]
            around = (_model_total(models), drawn, _tiles(scope))
            table = _model_table(scope)
            return _answer(request, scope, by, table, models, around)
        lines = _lines(scope, by)
        drawn = [months_drawing(scope, lines)] if by == "month" and lines else []
        around = (_total(lines), drawn, _tiles(scope, lines))
        return _answer(request, scope, by, _table(by), lines, around)


def _answer(
    request: HttpRequest,
    scope: Scope,
    by: str,
    table: Table[Row],
    rows: Sequence[Row],
    around: tuple[dict[str, Cell], list[Drawing], list[Tile]],
) -> HttpResponse:
    total, drawn, tiles = around
    if wants_file(table, scope.query):
        name = f"revenue-by-{by}-{scope.slug}"
        return file_of(table, rows, scope.query, name=name)
    context = {
        "heading": Heading(
            "Revenue",
            scope=(*scope.said, *_of_cohort(scope)),
            fresh=scope.fresh(),
            lead="What we earned, from whom and on what.",
        ),
        "controls": [("By", _ways(scope, by))],
        "form": scope.filters,
        "empty": scope.empty,
        "hero": tiles,
        "charts": drawn,
        "tables": [table.laid_out(rows, scope.query, totals=[total] if rows else [])],
    }
    return render(request, "pages/finance/page.html", context)


def _ways(scope: Scope, by: str) -> list[Option]:
    return [
        Option(heading, scope.address(by=name, sort="", page="", cohort=""), name == by)
        for name, heading in BY.items()
    ]


def _of_cohort(scope: Scope) -> tuple[str, ...]:
    if scope.cohort is None:
        return ()
    return (f"tenants whose first revenue was in {scope.cohort:%B %Y}",)


def _cohort_tiles(scope: Scope, lines: Sequence[Line]) -> list[Tile]:
    earned = [line.earned.net_picos for line in lines]
    kept = sum(picos > 0 for picos in earned)
    return [
        money_tile("Net revenue of the cohort", sum(earned), scope.currency),
        number_tile("Tenants kept", kept, note="net revenue above zero"),
    ]


def _tiles(scope: Scope, lines: Sequence[Line] = ()) -> list[Tile]:
    if not scope.currency:
        return []
    if scope.cohort:
        return _cohort_tiles(scope, lines)
    found = of_month(scope.month, scope.currency)
    before = month_after(scope.month, -1)
    gross = found.gross_picos
    when = "recognised in the month" + (", so far" if scope.is_running else "")
    return [
        money_tile("Net revenue", found.net_picos, scope.currency, note=when),
        money_tile("Earned", gross, scope.currency, note="before what is taken off"),
        money_tile("Taken off", found.contra_picos, scope.currency),
        percent_tile("Taken off of earned", -found.contra_picos, gross),
        money_tile(
            f"Net revenue of {before:%B}",
            of_month(before, scope.currency).net_picos,
            scope.currency,
            note="the whole month before",
        ),
    ]


def of_month(month: dt.date, currency: str) -> Earned:
    """Return what a month earned in a currency; nothing where nothing moved."""
    found = revenue(first=month, last=month)
    return next(
        (each for each in found if each.currency == currency),
        Earned(None, currency, dict.fromkeys(Part, 0)),
    )


def _models(scope: Scope) -> list[ModelUse]:
    found = use_by_model(first=scope.month, last=scope.month)
    return [row for row in found if row.currency == scope.currency]


def lines_of_months(scope: Scope) -> list[Line]:
    """Return what each month of the year up to this one earned."""
    return _lines(scope, "month")


def months_drawing(scope: Scope, lines: Sequence[Line]) -> Drawing:
    """Draw what each month of the year up to this one earned."""
    return revenue_drawing(
        [line.earned for line in lines],
        first=month_after(scope.month, 1 - MONTHS),
        last=scope.month,
        running=scope.this_month,
        currency=scope.currency,
    )


def _lines(scope: Scope, by: str) -> list[Line]:
    if by == "month":
        first = month_after(scope.month, 1 - MONTHS)
        found = revenue_by_month(first=first, last=scope.month)
    else:
        found = revenue_by_tenant(first=scope.month, last=scope.month)
        if scope.cohort:
            theirs = cohort_tenants(cohort=scope.cohort, currency=scope.currency)
            found = [row for row in found if row.key in theirs]
    rows = [row for row in found if row.currency == scope.currency]
    most = max((row.net_picos for row in rows), default=0)
    named = _months if by == "month" else _tenants
    return [
        Line(*words, earned=row, of_most=max(1000 * row.net_picos // most, 0))
        if most > 0
        else Line(*words, earned=row)
        for words, row in zip(named(rows, scope), rows, strict=True)
    ]


def _months(rows: list[Earned], scope: Scope) -> list[tuple[str, str, str]]:
    return [
        (
            f"{row.key:%B %Y}" + (", so far" if row.key == scope.this_month else ""),
            f"{row.key}",
            reverse("finance:revenue")
            + scope.address(by="tenant", month=f"{row.key:%Y-%m}", sort="", page=""),
        )
        for row in rows
    ]


def _tenants(rows: list[Earned], scope: Scope) -> list[tuple[str, str, str]]:
    usage = reverse("finance:usage")
    days = {"from": f"{scope.month}", "to": f"{last_day(scope.month)}"}
    slugs = slugs_of(row.key for row in rows if isinstance(row.key, int))
    # Put together by hand: there are thousands, and a slug stands in a query as it is.
    of_tenant = f"{usage}{address(days)}&tenant="
    return [
        (slug, slug, f"{of_tenant}{slug}" if slug else "")
        for slug in (
            slugs.get(row.key, "") if isinstance(row.key, int) else "" for row in rows
        )
    ]


def slugs_of(ids: Iterable[int]) -> dict[int, str]:
    """Return the slugs of tenants, by their ids."""
    return dict(Tenant.objects.filter(pk__in=set(ids)).values_list("pk", "slug"))


def _total(lines: Sequence[Line]) -> dict[str, Cell]:
    if not lines:
        return {}
    currency = lines[0].earned.currency
    sums = {part: sum(_by_part(line, part) for line in lines) for part in Part}
    return {
        "name": cells.words("Total"),
        "currency": cells.unit(currency),
        "net": cells.money(sum(sums.values()), currency),
        **{part.value: cells.money(sums[part], currency) for part in Part},
    }


def _model_total(rows: Sequence[ModelUse]) -> dict[str, Cell]:
    if not rows:
        return {}
    currency = rows[0].currency
    return {
        "name": cells.words("Total"),
        "currency": cells.unit(currency),
        "use": cells.money(sum(row.charge_picos for row in rows), currency),
        **{
            each.name.lower(): cells.number(sum(_tokens(row, each) for row in rows))
            for each in CLASSES
        },
    }
