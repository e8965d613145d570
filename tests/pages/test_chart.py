"""Columns of spend by day: zeros are drawn as such, days to come are not drawn."""

import datetime as dt

import pytest

from metering.usage.report import Group, UsageReport, UsageRow, totals_of
from pages.finance.chart import DAYS_MAX, HEIGHT, charts

FIRST = dt.date(2026, 11, 1)
TODAY = dt.date(2026, 11, 5)
INSTANT = dt.datetime(2026, 11, 5, tzinfo=dt.UTC)
UNIT = 10**12


def report(*spend: tuple[int, str, int]) -> UsageReport:
    """Return a report by day of (day of the month, currency, picos)."""
    rows = tuple(
        UsageRow(
            group=Group(day=FIRST.replace(day=day)), currency=name, charge_picos=picos
        )
        for day, name, picos in spend
    )
    return UsageReport(rows, totals_of(rows), INSTANT, INSTANT, INSTANT)


def test_days_without_use_stand_as_zero_and_days_to_come_do_not_stand() -> None:
    found = report((1, "USD", 2 * UNIT), (4, "USD", UNIT))

    (chart,) = charts(found, first=FIRST, last=dt.date(2026, 11, 30), today=TODAY)

    assert [column.height for column in chart.columns] == [HEIGHT, 0, 0, HEIGHT // 2, 0]
    assert [column.is_running for column in chart.columns] == [False] * 4 + [True]
    assert chart.columns[1].text == "2026-11-02: 0.00 USD"
    assert chart.columns[4].text.endswith("so far")
    assert "Highest on 2026-11-01: 2.00 USD." in chart.sentence


def test_each_currency_has_a_chart_of_its_own_scale() -> None:
    found = report((1, "USD", 900 * UNIT), (2, "EUR", UNIT))

    euros, dollars = charts(found, first=FIRST, last=TODAY, today=TODAY)

    assert (euros.currency, dollars.currency) == ("EUR", "USD")
    assert max(column.height for column in euros.columns) == HEIGHT


def test_a_trifle_is_seen_and_a_credit_is_no_column() -> None:
    found = report((1, "USD", 1), (2, "USD", UNIT), (3, "USD", -UNIT))

    (chart,) = charts(found, first=FIRST, last=TODAY, today=TODAY)

    assert chart.columns[0].height > 0
    assert chart.columns[2].height == 0


@pytest.mark.parametrize("days", [1, DAYS_MAX + 1])
def test_too_few_or_too_many_days_are_no_chart(days: int) -> None:
    last = FIRST + dt.timedelta(days=days - 1)

    assert charts(report((1, "USD", 1)), first=FIRST, last=last, today=last) == []
