"""Usage over time in parts: the parts make the whole, and keep their shades."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from metering.usage.report import Group, UsageReport, UsageRow, totals_of
from pages.finance.buckets import Moment, TimeAxis, days
from pages.finance.choice import By, Choice, Period, Show
from pages.finance.stack import OTHER_SHADE, SERIES_MAX, Stack, stacks

FIRST = dt.date(2026, 11, 1)
INSTANT = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)
NOW = Moment(INSTANT, INSTANT.date())
PERIOD = Period(FIRST, dt.date(2026, 11, 8))
UNIT = 10**12
MODELS = [f"model-{letter}" for letter in "abcdefgh"]

Rows = list[tuple[int, str, str, int]]


def axis() -> TimeAxis:
    """Return the first week of a month, on its fifth day."""
    return days(FIRST, dt.date(2026, 11, 7), now=NOW, complete_to=NOW)


def stacked(rows: Rows, *, show: Show = Show.SPEND) -> list[Stack]:
    """Stack (day of the month, model, currency, picos and tokens) by model."""
    found = tuple(
        UsageRow(
            group=Group(day=FIRST.replace(day=day), model=model),
            currency=currency,
            charge_picos=number,
            input_tokens=number,
            requests=1,
        )
        for day, model, currency, number in rows
    )
    report = UsageReport(found, totals_of(found), INSTANT, INSTANT, INSTANT)
    return stacks(report, axis(), Choice(PERIOD, show=show), models=MODELS)


ROWS = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.sampled_from(MODELS),
        st.sampled_from(["USD", "EUR"]),
        st.integers(-(10**15), 10**18),
    ),
    unique_by=lambda row: row[:3],
)


@given(ROWS)
def test_series_make_the_whole_of_each_day_and_currency(rows: Rows) -> None:
    found = stacked(rows)

    assert [stack.currency for stack in found] == sorted({row[2] for row in rows})
    for stack in found:
        assert stack.totals == [
            sum(row[3] for row in rows if row[0] == day and row[2] == stack.currency)
            for day in range(1, 6)
        ]
        assert sum(series.total for series in stack.series) == sum(stack.totals)


@given(ROWS)
def test_series_are_few_and_told_apart(rows: Rows) -> None:
    for stack in stacked(rows):
        own = [series for series in stack.series if series.shade != OTHER_SHADE]
        assert len(own) <= SERIES_MAX
        assert len({series.shade for series in stack.series}) == len(stack.series)
        totals = [series.total for series in own]
        assert totals == sorted(totals, reverse=True)


def test_what_is_too_many_is_one_series_that_says_how_many() -> None:
    rows = [(1, model, "USD", number) for number, model in enumerate(MODELS[:6], 1)]

    (stack,) = stacked(rows)

    assert [series.name for series in stack.series] == [
        "model-f",
        "model-e",
        "model-d",
        "model-c",
        "Other (2)",
    ]
    assert stack.series[-1].values == [1 + 2, 0, 0, 0, 0]


def test_one_part_too_many_keeps_its_name() -> None:
    rows = [(1, model, "USD", number) for number, model in enumerate(MODELS[:5], 1)]

    (stack,) = stacked(rows)

    assert (stack.series[-1].name, stack.series[-1].shade) == ("model-a", OTHER_SHADE)


def test_a_part_keeps_its_shade_whatever_else_is_shown() -> None:
    (both,) = stacked([(1, "model-b", "USD", 9), (1, "model-c", "USD", 1)])
    (alone,) = stacked([(1, "model-c", "USD", 1)])

    assert alone.series[0].shade == both.series[1].shade == 3


def test_of_two_that_want_a_shade_the_first_of_its_kind_has_it() -> None:
    (stack,) = stacked([(1, "model-b", "USD", 1), (1, "model-f", "USD", 9)])

    assert {series.name: series.shade for series in stack.series} == {
        "model-b": 2,
        "model-f": 3,
    }


def test_counts_of_all_currencies_are_one_stack() -> None:
    rows = [(1, "model-a", "USD", 5), (1, "model-a", "EUR", 7)]

    (tokens,) = stacked(rows, show=Show.TOKENS)
    (requests,) = stacked(rows, show=Show.REQUESTS)

    assert (tokens.currency, tokens.totals) == ("", [12, 0, 0, 0, 0])
    assert requests.totals == [2, 0, 0, 0, 0]


def test_projects_and_keys_say_whose_they_are_unless_that_is_chosen() -> None:
    row = UsageRow(
        group=Group(
            day=FIRST,
            tenant_id=1,
            tenant="acme",
            project_id=2,
            project="web",
            api_key_id=3,
            api_key="laptop (tg_ab)",
        ),
        currency="USD",
    )
    report = UsageReport((row,), (), INSTANT, INSTANT, INSTANT)

    names = {
        by: stacks(report, axis(), Choice(PERIOD, by=by), models=[])[0].series[0].name
        for by in (By.TENANT, By.PROJECT, By.KEY)
    }

    assert names == {
        By.TENANT: "acme",
        By.PROJECT: "acme / web",
        By.KEY: "acme / web / laptop (tg_ab)",
    }
