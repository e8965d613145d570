"""Every part of the design system on one page, with invented figures, for the tests."""

import datetime as dt
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import engines

from pages.access import live_page, staff_page
from pages.charts.ageing import Age, ageing
from pages.charts.bars import Bar, Gap, bars
from pages.charts.bridge import Step, bridge
from pages.charts.bullet import bullet
from pages.charts.columns import Columns, Series, Slot, columns
from pages.charts.lines import Band, Line, Lines, lines
from pages.charts.measure import Measure
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind, minor, nothing, number, percent, state, words
from pages.design.filters import FilterForm, MonthField
from pages.design.heading import Crumb, Heading, fresh
from pages.design.progress import Progress
from pages.design.states import Empty, Failed
from pages.design.table import Column, LaidOut, Table
from pages.design.tiles import minor_tile, missing_tile, money_tile, percent_tile

NOW = dt.datetime(2026, 11, 22, 18, 30, tzinfo=dt.UTC)
USD = Measure("USD")
UNIT = 10**12

PAGE = """{% extends "pages/finance/base.html" %}
{% block title %}Gallery{% endblock %}
{% block live %}{% include "pages/parts/live.html" %}{% endblock %}
{% block main %}
{% include "pages/parts/heading.html" %}
{% include "pages/parts/filters.html" with action="" %}
{% include "pages/parts/tiles.html" with hero=True %}
{% include "pages/parts/tiles.html" with tiles=small %}
<section class="card">
{% include "pages/parts/columns.html" with chart=months %}
{% include "pages/parts/bars.html" with chart=funnel %}
{% include "pages/parts/bridge.html" with chart=credit %}
{% include "pages/parts/ageing.html" with chart=ages %}
{% include "pages/parts/lines.html" with chart=forecast %}
</section>
<section class="card"><div class="chart">
{% for bullet in bullets %}{% include "pages/parts/bullet.html" %}{% endfor %}
</div></section>
{% include "pages/parts/table.html" %}
{% include "pages/parts/table.html" with table=nothing %}
<section class="card">{% include "pages/parts/progress.html" %}</section>
{% include "pages/parts/failed.html" %}
{% include "pages/parts/empty.html" %}
{% endblock %}"""


class Choice(FilterForm):
    """A form with a month and a currency."""

    month = MonthField(required=False)


@dataclass(frozen=True)
class Row:
    """A tenant's month."""

    name: str
    net: int
    cost: int
    requests: int
    badge: Badge
    parts: tuple["Row", ...] = ()


NAMES = "Northwind Robotics,Helio Health,Alder & Finch,Brightside Games,Kestrel".split(
    ","
)
TONES = (
    Badge("paid", Tone.GOOD),
    Badge("open"),
    Badge("draft", Tone.WAIT),
    Badge("overdue", Tone.BAD),
    Badge("void", Tone.OVER),
)
ROWS = [
    Row(
        f"{NAMES[n % 5]}{f' {n // 5}' if n > 4 else ''}",
        1_234_567 // (n + 1),
        456_789 // (n + 2),
        98_765 // (n + 1),
        TONES[n % 5],
        (Row("llama-3.3-70b", 5, 2, 3, TONES[0]), Row("qwen3-32b", 4, 1, 2, TONES[0])),
    )
    for n in range(12)
]
TABLE: Table[Row] = Table(
    name="tenants",
    title="By tenant",
    columns=(
        Column(
            "tenant",
            "Tenant",
            lambda r: words(r.name, address="#"),
            sort=lambda r: r.name,
        ),
        Column(
            "net",
            "Net revenue, USD",
            lambda r: minor(r.net, "USD", share=r.net * 1000 // 1_234_567),
            Kind.NUMBER,
            sort=lambda r: r.net,
        ),
        Column("cost", "Cost, USD", lambda r: minor(r.cost, "USD"), Kind.NUMBER),
        Column(
            "margin", "Margin", lambda r: percent(r.net - r.cost, r.net), Kind.NUMBER
        ),
        Column(
            "requests",
            "Requests",
            lambda r: number(r.requests),
            Kind.NUMBER,
            sort=lambda r: r.requests,
        ),
        Column("promised", "Promised", lambda _: nothing("not reported")),
        Column("state", "State", lambda r: state(r.badge)),
    ),
    usual_sort="-net",
    rows_per_page=6,
    key=lambda r: r.name,
    parts=lambda r: r.parts,
    note="Excluding tax. Revenue is recognised as it is used.",
)


def progress(done: int) -> Progress:
    """Return work of ten steps of which some are done."""
    is_over = done >= 10
    return Progress(
        title="Close October 2026",
        done=done,
        whole=10,
        unit="tenants",
        state=Badge("done", Tone.GOOD) if is_over else Badge("running", Tone.WAIT),
        address=f"/finance/gallery/progress/?done={done + 5}",
        is_over=is_over,
        note="" if is_over else "about 2 minutes left",
    )


@staff_page()
def progressing(request: HttpRequest) -> HttpResponse:
    """Show the part alone, further on."""
    part = progress(int(request.GET["done"]))
    return render(request, "pages/parts/progress.html", {"progress": part})


@staff_page()
def broken(request: HttpRequest) -> HttpResponse:
    """Meet a bug."""
    raise RuntimeError("a bug, for its page to be looked at")


@live_page
@staff_page()
def gallery(request: HttpRequest) -> HttpResponse:
    """Show every part."""
    query = query_of(request.GET)
    form = Choice(request.GET)
    form.is_valid()
    context = {
        "heading": Heading(
            "Gallery",
            scope=("November 2026, so far", "days of UTC", "USD", "excluding tax"),
            crumbs=(Crumb("Finance", "/finance/"), Crumb("Revenue", "/finance/")),
            fresh=fresh(NOW, now=NOW, waiting="0 events waiting"),
            lead="Every part of the design system, with invented figures.",
        ),
        "form": form,
        "tiles": [
            money_tile("Net revenue, so far", 12_345 * UNIT + 678, "USD", address="#"),
            minor_tile("Overdue", 45_678, "USD", note="of 3 tenants", badge=TONES[3]),
        ],
        "small": [
            percent_tile("Gross margin", 371, 1000, note="October 34.9 %"),
            missing_tile("Forecast", "not yet", note="needs 28 days of use"),
            minor_tile("Credit liability", 1_000_000, "USD"),
        ],
        "months": months(),
        **balances(),
        "forecast": forecast(),
        "bullets": [
            bullet(
                "Budget, November",
                USD,
                value=v * UNIT,
                limit=500 * UNIT,
                warn_percent=80,
                ends=e,
            )
            for v, e in ((120, "stops at 100 %"), (430, "warned"), (560, "stopped"))
        ],
        "table": TABLE.laid_out(ROWS, query, totals=[_total()]),
        "nothing": _nothing(),
        "progress": progress(0),
        "failed": Failed("The margin of this month", NOW, "?"),
        "empty": Empty(
            "No closed month yet", "November closes 1 Dec 02:00 UTC.", "Months", "#"
        ),
    }
    template = engines["django"].from_string(PAGE)
    return HttpResponse(template.render(context, request))


def balances() -> dict[str, object]:
    """Draw what is lost on the way, what moved credit, and how late people pay."""
    return {
        "funnel": bars(
            "funnel",
            "From metered to collected, October 2026",
            USD,
            [
                Bar(
                    "Metered",
                    1_500 * UNIT,
                    "#",
                    gaps=[Gap(20 * UNIT, "without a price", "#")],
                ),
                Bar(
                    "Rated",
                    1_480 * UNIT,
                    "#",
                    gaps=[Gap(300 * UNIT, "paid by credit", "#"), Gap(1, "rounded")],
                ),
                Bar(
                    "Invoiced",
                    1_180 * UNIT,
                    "#",
                    gaps=[Gap(280 * UNIT, "open, not due")],
                ),
                Bar("Collected", 900 * UNIT, "#"),
            ],
            heading="Stage",
            sentence="60.0 % of what was metered is collected.",
        ),
        "credit": bridge(
            "credit",
            "Credit, November 2026",
            USD,
            opening=Step("Opening, 1 November", 5_000 * UNIT),
            steps=[
                Step("Sold", 2_500 * UNIT, "#"),
                Step("Granted", 300 * UNIT),
                Step("Consumed", -3_100 * UNIT, "#"),
                Step("Expired", -40 * UNIT),
                Step("Refunded", 0),
            ],
            closing=Step("Closing, so far", 4_660 * UNIT),
        ),
        "ages": ageing(
            "ages",
            "Receivables by age",
            USD,
            [
                Age("Not due", 6_000 * UNIT, "#"),
                Age("1 to 30 days", 2_100 * UNIT, "#"),
                Age("31 to 60 days", 800 * UNIT),
                Age("61 to 90 days", 0),
                Age("Over 90 days", 350 * UNIT),
            ],
        ),
    }


def months() -> Columns:
    """Draw a year of revenue."""
    slots = [
        Slot(
            f"{y}-{m:02}",
            f"{dt.date(y, m, 1):%b %Y}" if m == 1 else f"{dt.date(y, m, 1):%b}",
            is_running=(y, m) == (2026, 11),
            is_landmark=m == 1,
        )
        for y, m in [(2025, 12), *((2026, m) for m in range(1, 12))]
    ]
    return columns(
        "revenue",
        "Net revenue by month",
        USD,
        slots=slots,
        series=[
            Series("Use", [(40 + 5 * n) * UNIT for n in range(12)], 1),
            Series("Fixed fees", [20 * UNIT] * 12, 2),
            Series("Breakage", [(n % 3) * 4 * UNIT for n in range(12)], 4),
            Series("Discounts", [-(5 + n) * UNIT for n in range(12)], 3),
        ],
    )


def forecast() -> Lines:
    """Draw a month with an estimate of its end."""
    slots = [Slot(f"2026-11-{n:02}", f"{n}", is_landmark=n == 1) for n in range(1, 31)]
    so_far = [n * 4 * UNIT if n <= 22 else None for n in range(1, 31)]
    ahead = [n * 4 * UNIT if n >= 22 else None for n in range(1, 31)]
    return lines(
        "forecast",
        "Revenue of November 2026, so far and estimated",
        USD,
        slots=slots,
        series=[
            Line("So far", so_far, 1),
            Line("Estimate", ahead, 1, is_estimate=True),
        ],
        band=Band(
            "Low to high",
            [n and n - (i - 21) * UNIT for i, n in enumerate(ahead)],
            [n and n + (i - 21) * UNIT for i, n in enumerate(ahead)],
        ),
        sentence="Likely 120.00 USD; the last three were off by 4 %.",
    )


def _total() -> dict[str, Cell]:
    net, cost = sum(r.net for r in ROWS), sum(r.cost for r in ROWS)
    return {
        "tenant": words("Total"),
        "net": minor(net, "USD"),
        "cost": minor(cost, "USD"),
        "margin": percent(net - cost, net),
        "requests": number(sum(r.requests for r in ROWS)),
    }


def _nothing() -> LaidOut:
    empty = Empty("No differences", "Last check 14:30 UTC, 212 checks.")
    table: Table[Row] = Table(
        name="differences",
        title="Differences",
        columns=TABLE.columns,
        empty=empty,
        is_one_of_many=True,
    )
    return table.laid_out([], {})
