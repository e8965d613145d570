"""The address of the finance page: what it comes to, and what links change of it."""

import datetime as dt
from urllib.parse import parse_qs

import pytest

from pages.finance.choice import (
    By,
    Choice,
    Each,
    Period,
    Show,
    Span,
    options,
    period_of,
    possible_each,
    usual_each,
)

NOW = dt.datetime(2026, 11, 10, 12, 20, tzinfo=dt.UTC)
TODAY = dt.date(2026, 11, 10)


def of_days(count: int) -> Period:
    """Return so many days of the reader's own."""
    return Period(TODAY, TODAY + dt.timedelta(days=count))


def asked(address: str) -> dict[str, str]:
    """Read the query of an address."""
    return {name: values[0] for name, values in parse_qs(address[1:]).items()}


@pytest.mark.parametrize(
    ("span", "first", "end"),
    [
        (Span.WEEK, "2026-11-04", "2026-11-11"),
        (Span.MONTH, "2026-10-12", "2026-11-11"),
        (Span.THIS_MONTH, "2026-11-01", "2026-12-01"),
        (Span.LAST_MONTH, "2026-10-01", "2026-11-01"),
    ],
)
def test_a_span_comes_to_days_around_today(span: Span, first: str, end: str) -> None:
    period = period_of(span, now=NOW, today=TODAY)

    assert (str(period.start), str(period.end)) == (first, end)


def test_the_last_24_hours_are_whole_hours_with_the_running_one() -> None:
    period = period_of(Span.DAY, now=NOW, today=TODAY)

    assert f"{period.start:%d %H:%M} {period.end:%d %H:%M}" == "09 13:00 10 13:00"
    assert period.is_hours


@pytest.mark.parametrize(
    ("days", "usual", "possible"),
    [
        (1, Each.HOUR, (Each.HOUR,)),
        (3, Each.HOUR, (Each.HOUR, Each.DAY)),
        (4, Each.DAY, (Each.HOUR, Each.DAY)),
        (7, Each.DAY, (Each.HOUR, Each.DAY)),
        (8, Each.DAY, (Each.DAY,)),
        (92, Each.DAY, (Each.DAY,)),
        (93, None, ()),
    ],
)
def test_columns_are_hours_of_a_short_range_and_days_of_a_longer_one(
    days: int, usual: Each | None, possible: tuple[Each, ...]
) -> None:
    assert usual_each(of_days(days)) is usual
    assert possible_each(of_days(days)) == possible


def test_an_address_says_all_that_is_not_usual_and_nothing_else() -> None:
    usual = Choice(period_of(Span.WEEK, now=NOW, today=TODAY))
    other = Choice(of_days(2), model="a b", by=By.KEY, show=Show.TOKENS, each=Each.DAY)

    assert asked(usual.address()) == {"range": "7d"}
    assert asked(other.address()) == {
        "from": "2026-11-10",
        "to": "2026-11-11",
        "model": "a b",
        "by": "key",
        "show": "tokens",
        "each": "day",
    }


def test_links_change_one_thing_and_keep_the_others() -> None:
    choice = Choice(of_days(5), model="a", by=By.TENANT)

    found = options(choice)

    own = {"from": "2026-11-10", "to": "2026-11-14", "model": "a", "by": "tenant"}
    assert [asked(option.address) for option in found.show] == [
        own,
        {**own, "show": "tokens"},
        {**own, "show": "requests"},
    ]
    assert asked(found.by[0].address) == {
        name: value for name, value in own.items() if name != "by"
    }
    assert asked(found.ranges[0].address) == {
        "range": "24h",
        "model": "a",
        "by": "tenant",
    }
    assert asked(found.each[0].address) == {**own, "each": "hour"}
    assert [option.is_current for option in found.each] == [False, True]


def test_without_a_choice_of_columns_there_is_no_control() -> None:
    assert options(Choice(of_days(30))).each == []
