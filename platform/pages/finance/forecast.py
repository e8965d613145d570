"""The forecast page: where the running month will likely end, and how often it did.

What is estimated is a range in words, and drawn as one: dashed, apart from what is
booked.
"""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.money import Money
from kit.orm.snapshot import snapshot
from metering.economics.forecasting import ONE_DAY, SAMPLE_DAYS, Forecast
from metering.economics.forecasts import Outlook, Past, outlook
from metering.ledger.months import month_after
from pages.access import staff_page
from pages.charts.columns import Slot
from pages.charts.lines import Band, lines
from pages.charts.lines import Line as LineOf
from pages.charts.measure import Measure
from pages.design import cells
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, missing_tile, money_tile, number_tile
from pages.finance.drawings import Drawing
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_MARGIN
from tenants.models import Tenant

METHOD = (
    f"Each day to come is the mean of its weekday over the last {SAMPLE_DAYS} booked "
    "days, at the lowest and the highest of them."
)


@dataclass(frozen=True, slots=True)
class Line:
    """One tenant's forecast."""

    tenant: str
    slug: str
    found: Forecast
    currency: str


def _young(line: Line) -> str:
    sampled = line.found.sampled
    return f"from {sampled} days" if sampled < SAMPLE_DAYS else ""


def _money(picos: int, currency: str) -> Cell:
    """Return an estimate: to the minor unit, for it is not known finer."""
    return cells.words(f"{Money(picos, currency)}".removesuffix(f" {currency}"))


TENANTS: Table[Line] = Table(
    name="tenants",
    title="By tenant",
    usual_sort="-estimate",
    is_one_of_many=True,
    note="Estimates sum to that of all; ranges do not, since not everybody has their "
    "best day at once.",
    empty=Empty("Nothing to go by yet", "No day of use is in the books."),
    columns=(
        Column(
            "tenant",
            "Tenant",
            lambda line: cells.words(
                line.tenant,
                address=f"{reverse('finance:margin')}?by=day&tenant={line.slug}"
                if line.slug
                else "",
                note=_young(line),
            ),
            sort=lambda line: line.tenant.lower(),
        ),
        Column(
            "so_far",
            "So far",
            lambda line: cells.money(line.found.so_far_picos, line.currency),
            Kind.NUMBER,
            sort=lambda line: line.found.so_far_picos,
        ),
        Column(
            "low",
            "Low",
            lambda line: _money(line.found.low_picos, line.currency),
            Kind.NUMBER,
            sort=lambda line: line.found.low_picos,
        ),
        Column(
            "estimate",
            "Estimate",
            lambda line: _money(line.found.estimate_picos, line.currency),
            Kind.NUMBER,
            sort=lambda line: line.found.estimate_picos,
        ),
        Column(
            "high",
            "High",
            lambda line: _money(line.found.high_picos, line.currency),
            Kind.NUMBER,
            sort=lambda line: line.found.high_picos,
        ),
        Column(
            "currency", "Currency", lambda line: cells.unit(line.currency), Kind.UNIT
        ),
    ),
)


def _past_table(currency: str) -> Table[Past]:
    return Table(
        name="past",
        title="How far off it was",
        usual_sort="-month",
        is_one_of_many=True,
        note="The same method on the same day of months that are over.",
        empty=Empty(
            "No month to compare with yet",
            f"A month is compared once {SAMPLE_DAYS} booked days lie before its day.",
        ),
        columns=(
            Column(
                "month",
                "Month",
                lambda row: cells.month(row.month),
                sort=lambda row: row.month,
            ),
            Column(
                "estimate",
                "Estimate then",
                lambda row: _money(row.forecast.estimate_picos, currency),
                Kind.NUMBER,
            ),
            Column(
                "came",
                "Came to",
                lambda row: cells.money(row.came_picos, currency),
                Kind.NUMBER,
            ),
            Column(
                "error",
                "Too high by, %",
                lambda row: cells.percent(row.error_picos, row.came_picos),
                Kind.NUMBER,
            ),
            Column("currency", "Currency", lambda row: cells.unit(currency), Kind.UNIT),
        ),
    )


@require_safe
@staff_page(*SEE_MARGIN)
def page(request: HttpRequest) -> HttpResponse:
    """Show where the running month will likely end, for all and for each tenant."""
    with snapshot():
        scope = scope_of(request, has_month=False)
        found = outlook(currency=scope.currency, now=scope.now)
        tenants, past = _lines(found), _past_table(scope.currency)
        if wants_file(TENANTS, scope.query):
            name = f"forecast-{found.month:%Y-%m}-{scope.currency.lower()}"
            return file_of(TENANTS, tenants, scope.query, name=name)
        if wants_file(past, scope.query):
            return file_of(past, found.past, scope.query, name="forecasts-past")
        context = {
            "heading": Heading(
                "Forecast",
                scope=(
                    f"{found.month:%B %Y}",
                    f"in the books to {found.last:%Y-%m-%d}",
                    "use at its rated amount, excluding tax",
                    *((f"in {scope.currency}",) if scope.currency else ()),
                ),
                lead=METHOD,
            ),
            "form": scope.filters,
            "empty": scope.empty,
            "hero": _tiles(scope, found),
            "charts": [_drawing(found)] if found.whole.sampled else [],
            "tables": [
                TENANTS.laid_out(
                    tenants, scope.query, totals=[_total(found)] if tenants else ()
                ),
                past.laid_out(found.past, scope.query),
            ],
        }
    return render(request, "pages/finance/page.html", context)


def _drawing(found: Outlook) -> Drawing:
    """Draw what was booked up to each day, and the range of where the month ends."""
    first, end = found.month, month_after(found.month)
    days = [first + n * ONE_DAY for n in range((end - first).days)]
    whole, reached = found.whole, 0
    booked: list[int | None] = []
    for day in days:
        reached += found.days.get(day, 0)
        booked.append(reached if day <= found.last else None)
    known = sum(value is not None for value in booked)

    def toward(picos: int) -> list[int | None]:
        """Return the way from what is booked to an end, evenly over the days left."""
        rest, left = picos - whole.so_far_picos, max(len(days) - known, 1)
        return [
            None
            if number < max(known - 1, 0)
            else whole.so_far_picos + rest * (number - known + 1) // left
            for number in range(len(days))
        ]

    chart = lines(
        "month",
        f"{found.month:%B} so far, and where it will likely end, {found.currency}",
        Measure(found.currency),
        slots=[Slot(f"{day}", f"{day.day}") for day in days],
        series=[
            LineOf("Booked", booked, 1),
            LineOf("Estimate", toward(whole.estimate_picos), 2, is_estimate=True),
        ],
        band=Band(
            "Lowest to highest", toward(whole.low_picos), toward(whole.high_picos)
        ),
    )
    return "pages/parts/lines.html", chart


def _lines(found: Outlook) -> list[Line]:
    names = {
        pk: (name, slug)
        for pk, name, slug in Tenant.objects.filter(
            pk__in=found.tenants.keys()
        ).values_list("pk", "name", "slug")
    }
    return [
        Line(*names.get(pk, (f"tenant {pk}", "")), each, found.currency)
        for pk, each in found.tenants.items()
    ]


def _total(found: Outlook) -> dict[str, Cell]:
    whole, currency = found.whole, found.currency
    return {
        "tenant": cells.words("All"),
        "so_far": cells.money(whole.so_far_picos, currency),
        "low": _money(whole.low_picos, currency),
        "estimate": _money(whole.estimate_picos, currency),
        "high": _money(whole.high_picos, currency),
        "currency": cells.unit(currency),
    }


def _tiles(scope: Scope, found: Outlook) -> list[Tile]:
    if not scope.currency:
        return []
    whole, currency = found.whole, scope.currency
    low, high = Money(whole.low_picos, currency), Money(whole.high_picos, currency)
    name = f"{found.month:%B} will come to"
    so_far = money_tile(
        "So far",
        whole.so_far_picos,
        currency,
        note=f"to {found.last:%d %B}",
        address=f"{reverse('finance:margin')}?by=day&currency={currency}",
    )
    if not whole.sampled:
        return [missing_tile(name, "not known yet", note="no day is booked"), so_far]
    said = f"{Money(whole.estimate_picos, currency)}".removesuffix(f" {currency}")
    return [
        Tile(name, f"~{said}", unit=currency, note=f"{low} to {high}"),
        so_far,
        number_tile("Days to come", whole.left, note="not in the books yet"),
    ]
