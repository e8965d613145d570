"""A month is forecast by its weekdays, with a range, and says how far off it was."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.economics.forecasting import ONE_DAY, forecast
from metering.economics.forecasts import last_booked, outlook
from metering.economics.models import DayMargin, DayTotal

# A month that begins on a Sunday.
FIRST, END = dt.date(2026, 11, 1), dt.date(2026, 12, 1)
LAST = dt.date(2026, 11, 14)
NOW = dt.datetime(2026, 11, 15, 20, tzinfo=dt.UTC)


def every(picos: int, *, since: dt.date, until: dt.date) -> dict[dt.date, int]:
    return {since + n * ONE_DAY: picos for n in range((until - since).days + 1)}


def test_the_rest_is_as_the_weekdays_were() -> None:
    days = every(10, since=LAST - 27 * ONE_DAY, until=LAST)
    for day in days:
        if day.weekday() == 6:
            days[day] = 100
    found = forecast(days, first=FIRST, end=END, last=LAST)
    # Of the sixteen days to come three are Sundays.
    assert found.left == 16
    assert found.so_far_picos == 12 * 10 + 2 * 100
    assert found.estimate_picos == found.so_far_picos + 13 * 10 + 3 * 100
    assert found.low_picos == found.high_picos == found.estimate_picos


def test_the_range_is_the_lowest_to_the_highest_of_a_weekday() -> None:
    days = every(10, since=LAST - 27 * ONE_DAY, until=LAST)
    days[LAST] = 30
    found = forecast(days, first=FIRST, end=END, last=LAST)
    # Saturdays: 10, 10, 10 and 30; two are to come.
    assert found.estimate_picos == found.so_far_picos + 14 * 10 + 2 * 15
    assert found.low_picos == found.so_far_picos + 16 * 10
    assert found.high_picos == found.so_far_picos + 14 * 10 + 2 * 30


def test_who_is_new_counts_from_its_first_day() -> None:
    days = every(10, since=LAST - 2 * ONE_DAY, until=LAST)
    found = forecast(days, first=FIRST, end=END, last=LAST)
    assert (found.sampled, found.estimate_picos) == (3, 30 + 16 * 10)


def test_who_was_there_before_and_used_little_is_not_new() -> None:
    days = {LAST: 280}
    found = forecast(days, first=FIRST, end=END, last=LAST, began=FIRST - 90 * ONE_DAY)
    # A quarter of it on each of the two Saturdays to come.
    assert (found.sampled, found.estimate_picos) == (28, 280 + 2 * 70)
    assert (found.low_picos, found.high_picos) == (280, 280 + 2 * 280)


def test_without_any_day_nothing_is_foretold() -> None:
    found = forecast({}, first=FIRST, end=END, last=LAST)
    assert (found.estimate_picos, found.sampled) == (0, 0)


@given(
    st.dictionaries(
        st.integers(-40, 13).map(lambda n: FIRST + n * ONE_DAY),
        st.integers(0, 10**20),
    )
)
def test_an_estimate_lies_in_its_range(days: dict[dt.date, int]) -> None:
    found = forecast(days, first=FIRST, end=END, last=LAST)
    assert found.so_far_picos <= found.low_picos <= found.estimate_picos
    assert found.estimate_picos <= found.high_picos


@pytest.mark.usefixtures("operator_db")
def test_estimates_of_tenants_sum_to_that_of_all_and_past_months_are_judged() -> None:
    assert last_booked(now=NOW) == LAST
    since = dt.date(2026, 9, 1)
    DayMargin.objects.bulk_create(
        DayMargin(
            date=since + n * ONE_DAY,
            tenant_id=tenant,
            model="m",
            currency="USD",
            revenue_picos=7 * tenant + n % 3,
        )
        for n in range((LAST - since).days + 1)
        for tenant in (1, 2)
    )
    DayTotal.objects.bulk_create(
        DayTotal(
            date=since + n * ONE_DAY,
            model="m",
            currency="USD",
            is_idle=False,
            revenue_picos=21 + 2 * (n % 3),
        )
        for n in range((LAST - since).days + 1)
    )
    found = outlook(currency="USD", now=NOW)
    assert found.whole.estimate_picos == sum(
        each.estimate_picos for each in found.tenants.values()
    )
    assert found.whole.so_far_picos == sum(
        each.so_far_picos for each in found.tenants.values()
    )
    # September had nothing to go by; of October 14 days were known.
    (october,) = found.past
    assert october.month == dt.date(2026, 10, 1)
    days = range(30, 61)
    assert october.came_picos == sum(7 * t + n % 3 for n in days for t in (1, 2))
    assert abs(october.error_picos) < october.came_picos // 20
