"""The charts of the books' pages: the figures of their tables, drawn.

Each returns the part that shows it and what it shows; none computes but sums of the
rows that it is given.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from kit.money import picos_from_minor
from metering.ledger.credit_months import RolledForward
from metering.ledger.earned import Earned, ModelUse, Part
from metering.ledger.months import month_after
from metering.receivables.ageing import Aged, Bucket
from pages.charts.ageing import Age, ageing
from pages.charts.bars import Bar, Gap, bars
from pages.charts.bridge import Step, bridge
from pages.charts.columns import Series, Slot, columns
from pages.charts.measure import Measure
from pages.design.address import address

Drawing = tuple[str, Any]
BARS_MAX = 10
# What is drawn of revenue: the largest at the bottom, what is taken off below zero.
_SERIES = (
    ("Use", (Part.USE,), 1),
    ("Fees and plans", (Part.FEES, Part.PLANS), 2),
    ("Breakage", (Part.BREAKAGE,), 4),
    ("Taken off", (Part.DISCOUNTS, Part.GIVEN, Part.NOTES), 3),
)


def revenue_drawing(
    earned: Sequence[Earned],
    *,
    first: dt.date,
    last: dt.date,
    running: dt.date,
    currency: str,
) -> Drawing:
    """Draw what each month earned."""
    found = {row.key: row.parts for row in earned}
    months = [first]
    while months[-1] < last:
        months.append(month_after(months[-1]))
    page = reverse("finance:revenue")
    chart = columns(
        "months",
        f"Revenue by month, {currency}",
        Measure(currency),
        slots=[
            Slot(
                f"{month:%Y-%m}",
                f"{month:%b %Y}" if month.month == 1 else f"{month:%b}",
                is_running=month >= running,
                is_landmark=month.month == 1,
                address=page
                + address(
                    {"by": "tenant", "month": f"{month:%Y-%m}", "currency": currency}
                ),
            )
            for month in months
        ],
        series=[
            Series(
                name,
                [
                    sum(found[month][part] for part in parts) if month in found else 0
                    for month in months
                ],
                shade,
            )
            for name, parts, shade in _SERIES
        ],
    )
    return "pages/parts/columns.html", chart


def models_drawing(rows: Sequence[ModelUse], *, currency: str, when: str) -> Drawing:
    """Draw which models' use earned most; the rest is one bar."""
    ordered = sorted(rows, key=lambda row: -row.charge_picos)
    shown, rest = ordered[:BARS_MAX], ordered[BARS_MAX:]
    some = [Bar(row.model, row.charge_picos) for row in shown]
    if rest:
        left = sum(row.charge_picos for row in rest)
        some.append(Bar(f"Other ({len(rest)})", left))
    chart = bars(
        "models", f"Use by model, {when}", Measure(currency), some, heading="Model"
    )
    return "pages/parts/bars.html", chart


def credit_drawing(row: RolledForward, *, when: str) -> Drawing:
    """Draw what moved the credit that we owe."""
    chart = bridge(
        "liability",
        f"Credit owed, {when}",
        Measure(row.currency),
        opening=Step("Opening", row.opening_picos),
        steps=[
            Step("Sold", row.sold_picos),
            Step("Given", row.given_picos),
            Step("Used", row.used_picos),
            Step("Expired", row.expired_picos),
            Step("Taken back", row.taken_back_picos),
            *([Step("Other", row.other_picos)] if row.other_picos else []),
        ],
        closing=Step("Closing", row.closing_picos),
    )
    return "pages/parts/bridge.html", chart


def ages_drawing(
    rows: Sequence[Aged], names: dict[Bucket, str], *, currency: str
) -> Drawing:
    """Draw how late what is open is."""
    chart = ageing(
        "ages",
        f"Open by age, {currency}",
        Measure(currency),
        [
            Age(
                name,
                picos_from_minor(sum(row.buckets[bucket] for row in rows), currency),
                "#ageing",
            )
            for bucket, name in names.items()
        ],
    )
    return "pages/parts/ageing.html", chart


def steps_drawing(
    steps: Sequence[tuple[str, int, str, bool]], *, currency: str, when: str
) -> Drawing:
    """Draw a month's use on its way to cash; a step is its name, amount and address.

    The last of it says whether it is what lies between two others.
    """
    some: list[Bar] = []
    gaps: list[Gap] = []
    for name, picos, to, is_gap in steps:
        if not is_gap:
            gaps = []
            some.append(Bar(name, picos, to, gaps=gaps))
        elif picos:
            gaps.append(
                Gap(abs(picos), f"{'plus' if picos > 0 else 'less'} {name}", to)
            )
    chart = bars(
        "way",
        f"From use to cash, {when}",
        Measure(currency),
        some,
        heading="Step",
    )
    return "pages/parts/bars.html", chart
