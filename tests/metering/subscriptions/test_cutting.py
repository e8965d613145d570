"""A period is cut at days, in shares that add up; fees are due once for each day."""

import dataclasses
import datetime as dt
import itertools
import random
import zoneinfo
from collections.abc import Iterable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metering.subscriptions.cutting import cut
from metering.subscriptions.terms import (
    NO_TERMS,
    DiscountScope,
    DiscountTerms,
    Fee,
    FeeKind,
    Held,
    Terms,
)
from metering.usage.spans import Span
from tests.metering.subscriptions.plans import held, month, periods, plan

A_DAY = dt.timedelta(days=1)
FEBRUARY, MARCH = month("2026-02-01"), month("2026-03-01")
ZONES = [
    "UTC",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Europe/Berlin",
    "Pacific/Apia",
    "Australia/Lord_Howe",
]


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def fees_of(terms: Terms) -> list[Fee]:
    inside = [each.fee for each in terms.segments if each.fee is not None]
    return [*inside, *terms.fees]


def shown(fees: Iterable[Fee]) -> list[tuple[object, ...]]:
    return [
        (
            fee.kind.value,
            fee.first_date.isoformat(),
            fee.end_date.isoformat(),
            fee.amount,
        )
        for fee in fees
    ]


def test_without_a_subscription_nothing_is_due() -> None:
    assert cut([], period=MARCH, following=None) == NO_TERMS
    over = held(plan(fee=30), day("2026-01-01"), day("2026-03-01"))
    assert cut([over], period=MARCH, following=None) == NO_TERMS
    coming = held(plan(fee=30), day("2026-04-01"))
    assert cut([coming], period=MARCH, following=None) == NO_TERMS


def test_a_whole_period_is_one_whole_segment() -> None:
    terms = cut(
        [held(plan(fee=31, commitment=Fraction(62)), day("2020-02-29"))],
        period=MARCH,
        following=None,
    )
    (segment,) = terms.segments
    assert segment.share == 1
    assert segment.commitment == terms.commitment == 62
    assert shown(fees_of(terms)) == [("period", "2026-03-01", "2026-04-01", 31)]


@pytest.mark.parametrize(
    ("period", "share"),
    [
        (month("2026-02-01"), Fraction(14, 28)),
        (month("2028-02-01"), Fraction(15, 29)),
        (month("2026-04-01"), Fraction(16, 30)),
        (month("2026-03-01"), Fraction(17, 31)),
    ],
)
def test_a_late_start_pays_its_days(period: Span, share: Fraction) -> None:
    """The first day is paid, the day after the last is not."""
    start = period.first_date.replace(day=15)
    terms = cut([held(plan(fee=100), start)], period=period, following=None)
    (segment,) = terms.segments
    assert segment.share == share
    assert segment.fee is not None
    assert segment.fee.amount == 100 * share
    assert segment.holds(start)
    assert not segment.holds(start - A_DAY)
    assert segment.holds(period.end_date - A_DAY)
    assert not segment.holds(period.end_date)


def test_a_change_in_mid_period_cuts_it_in_two() -> None:
    """Every day has one plan, and no day has two or none."""
    change = day("2026-03-11")
    terms = cut(
        [
            held(plan(1, fee=31), day("2026-01-01"), change),
            held(plan(2, fee=62), change),
        ],
        period=MARCH,
        following=None,
    )
    assert [(each.plan.version_id, each.share) for each in terms.segments] == [
        (1, Fraction(10, 31)),
        (2, Fraction(21, 31)),
    ]
    assert sum(fee.amount for fee in fees_of(terms)) == 10 + 42
    for date in (MARCH.first_date + number * A_DAY for number in range(31)):
        assert [each.holds(date) for each in terms.segments].count(True) == 1
        found = terms.segment_of(date)
        assert found is not None
        assert found.plan.version_id == (1 if date < change else 2)


def test_what_was_ended_before_it_began_holds_no_day() -> None:
    never = held(plan(fee=31), day("2026-03-05"), day("2026-03-05"))
    assert cut([never], period=MARCH, following=None) == NO_TERMS


def test_the_last_day_of_what_was_cancelled_is_paid() -> None:
    ends = held(plan(fee=31), day("2026-01-01"), day("2026-03-31"))
    (segment,) = cut([ends], period=MARCH, following=None).segments
    assert segment.share == Fraction(30, 31)
    assert segment.holds(day("2026-03-30"))
    assert not segment.holds(day("2026-03-31"))


def test_a_shorter_period_pays_its_part_of_a_whole_one() -> None:
    """Its day was moved to the 15th: 14 days of the 28 from the 15th of February."""
    start = dt.datetime(2026, 2, 1, 12, tzinfo=dt.UTC)
    _, short, whole = periods(start, next_day=15, months=3)
    assert (short.first_date, short.end_date) == (day("2026-03-01"), day("2026-03-15"))
    subscription = held(plan(fee=28), day("2026-01-01"))
    (segment,) = cut([subscription], period=short, following=None).segments
    assert segment.share == Fraction(14, 28)
    (segment,) = cut([subscription], period=whole, following=None).segments
    assert segment.share == 1


ADVANCE = plan(7, fee=31, fee_in_advance=True)


def test_a_fee_in_advance_is_due_at_the_close_before() -> None:
    terms = cut([held(ADVANCE, day("2026-01-01"))], period=FEBRUARY, following=MARCH)
    assert shown(fees_of(terms)) == [("advance", "2026-03-01", "2026-04-01", 31)]
    assert terms.segments[0].fee is None


def test_a_plan_that_starts_late_pays_its_first_days_in_arrears() -> None:
    """Nobody could have charged them in advance."""
    known = FEBRUARY.starts_at + 5 * A_DAY
    start = held(ADVANCE, day("2026-02-15"), agreed_at=known)
    february = cut([start], period=FEBRUARY, following=MARCH)
    assert shown(fees_of(february)) == [
        ("period", "2026-02-15", "2026-03-01", Fraction(31, 2)),
        ("advance", "2026-03-01", "2026-04-01", 31),
    ]
    assert fees_of(cut([start], period=MARCH, following=None)) == []


def test_what_was_paid_in_advance_and_not_used_is_given_back() -> None:
    """It was cancelled in March, when all of March had been paid."""
    ended = held(
        ADVANCE,
        day("2026-01-01"),
        day("2026-03-11"),
        end_agreed_at=MARCH.starts_at + 9 * A_DAY,
    )
    assert shown(fees_of(cut([ended], period=FEBRUARY, following=MARCH))) == [
        ("advance", "2026-03-01", "2026-04-01", 31)
    ]
    march = cut([ended], period=MARCH, following=month("2026-04-01"))
    assert shown(fees_of(march)) == [("unused", "2026-03-11", "2026-04-01", -21)]


def test_on_the_first_day_it_still_depends_on_what_was_known_before_it() -> None:
    """The close of February may run before the order of the 1st of March, or after."""
    order = MARCH.starts_at + dt.timedelta(hours=3)
    late = held(ADVANCE, day("2026-03-01"), agreed_at=order)
    assert fees_of(cut([late], period=FEBRUARY, following=MARCH)) == []
    march = cut([late], period=MARCH, following=None)
    assert shown(fees_of(march)) == [("period", "2026-03-01", "2026-04-01", 31)]

    ended = held(ADVANCE, day("2026-01-01"), day("2026-03-01"), end_agreed_at=order)
    february = cut([ended], period=FEBRUARY, following=MARCH)
    assert shown(fees_of(february)) == [("advance", "2026-03-01", "2026-04-01", 31)]
    march = cut([ended], period=MARCH, following=None)
    assert march.segments == ()
    assert shown(fees_of(march)) == [("unused", "2026-03-01", "2026-04-01", -31)]


def test_a_plan_that_begins_with_the_period_is_paid_in_advance() -> None:
    """Known a second before, not in the same instant."""
    for agreed_at, kinds in (
        (MARCH.starts_at - dt.timedelta(seconds=1), [FeeKind.ADVANCE]),
        (MARCH.starts_at, []),
    ):
        start = held(ADVANCE, day("2026-03-01"), agreed_at=agreed_at)
        february = cut([start], period=FEBRUARY, following=MARCH)
        assert [fee.kind for fee in fees_of(february)] == kinds


def test_a_plan_that_ends_with_the_period_is_not_paid_further() -> None:
    """Not even to be given back: if it was known before, not in the same instant."""
    for agreed_at, kinds in (
        (MARCH.starts_at - dt.timedelta(seconds=1), []),
        (MARCH.starts_at, [FeeKind.ADVANCE]),
    ):
        ends = held(
            ADVANCE, day("2026-01-01"), day("2026-03-01"), end_agreed_at=agreed_at
        )
        february = cut([ends], period=FEBRUARY, following=MARCH)
        assert [fee.kind for fee in fees_of(february)] == kinds


def test_a_plan_that_is_taken_again_later_pays_from_then_on() -> None:
    """All of March was paid; it was left on the first, and taken again on the 11th."""
    order = MARCH.starts_at + dt.timedelta(hours=3)
    left = held(ADVANCE, day("2026-01-01"), day("2026-03-01"), end_agreed_at=order)
    again = held(ADVANCE, day("2026-03-11"), agreed_at=order + 5 * A_DAY)
    march = cut([left, again], period=MARCH, following=None)
    assert shown(fees_of(march)) == [
        ("period", "2026-03-11", "2026-04-01", 21),
        ("unused", "2026-03-01", "2026-04-01", -31),
    ]


def test_a_percentage_goes_with_a_fee_that_is_given_back() -> None:
    """Who paid less for it gets less back."""
    tenth, amount = (
        DiscountTerms(
            id=1,
            position=number,
            name="Off",
            scope=scope,
            models=frozenset(),
            percent=Fraction(10) if scope is DiscountScope.ALL else None,
            amount=Fraction(5) if scope is DiscountScope.USAGE else None,
        )
        for number, scope in enumerate([DiscountScope.ALL, DiscountScope.USAGE])
    )
    terms = dataclasses.replace(ADVANCE, discounts=(tenth, amount))
    ended = held(
        terms,
        day("2026-01-01"),
        day("2026-03-11"),
        end_agreed_at=MARCH.starts_at + A_DAY,
    )
    for found in (
        cut([ended], period=FEBRUARY, following=MARCH),
        cut([ended], period=MARCH, following=None),
    ):
        assert [fee.discounts for fee in found.fees] == [(tenth,)]
    march = cut([ended], period=MARCH, following=None)
    scaled = dataclasses.replace(amount, amount=Fraction(50, 31))
    assert march.segments[0].discounts == (tenth, scaled)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Span], list[Held]]:
    """Draw half a year of a tenant: zone, period's day, plans, and when each was known.

    As services let it happen: nothing is agreed of days before the running period, an
    end is only ever moved earlier, and nothing begins before the end of what was held
    until then is known.
    """
    at = dt.datetime(
        draw(st.integers(2010, 2030)), draw(st.integers(1, 12)), 17, tzinfo=dt.UTC
    )
    spans = periods(
        at,
        zone=draw(st.sampled_from(ZONES)),
        period_day=draw(st.integers(1, 28)),
        next_day=draw(st.integers(1, 28)),
        months=6,
    )
    first, last = spans[0].first_date, spans[-1].first_date
    length = (last - first).days
    marks = sorted(draw(st.sets(st.integers(0, length), min_size=2, max_size=6)))
    subscriptions = []
    known_at = spans[0].starts_at
    for start, end in itertools.pairwise(marks):
        if draw(st.integers(0, 4)) == 0:
            continue
        number = draw(st.integers(1, 3))
        terms = plan(
            number,
            fee=number * 97,
            commitment=Fraction(number, 7),
            fee_in_advance=number != 2,
        )
        starts_on, ends_on = first + start * A_DAY, first + end * A_DAY
        agreed_at = max(known_at, draw(known_of(spans, starts_on)))
        known_at = max(agreed_at, draw(known_of(spans, ends_on)))
        subscriptions.append(
            held(
                terms,
                starts_on,
                ends_on,
                agreed_at=agreed_at,
                end_agreed_at=known_at,
            )
        )
    return spans, subscriptions


def known_of(spans: list[Span], date: dt.date) -> st.SearchStrategy[dt.datetime]:
    """Draw when a date was agreed: up to the end of the period that it lies in."""
    (its,) = (each for each in spans if each.first_date <= date < each.end_date)
    latest = its.ends_at - dt.timedelta(seconds=1)
    ago = st.integers(0, int((latest - spans[0].starts_at).total_seconds()))
    return st.one_of(
        ago.map(lambda seconds: latest - dt.timedelta(seconds=seconds)),
        st.sampled_from([its.starts_at, its.starts_at - dt.timedelta(seconds=1)]),
    )


def closes(spans: list[Span], subscriptions: list[Held]) -> list[Terms]:
    """Return what is due at the close of each period."""
    followings = [*spans[1:], None]
    return [
        cut(subscriptions, period=span, following=following)
        for span, following in zip(spans, followings, strict=True)
    ]


def due_of(spans: list[Span], subscriptions: list[Held]) -> Fraction:
    """Return what every day costs, one by one: the slow and sure way."""
    total = Fraction(0)
    for span in spans:
        for each in subscriptions:
            date = span.first_date
            while date < span.end_date:
                if each.starts_on <= date and (
                    each.ends_on is None or date < each.ends_on
                ):
                    total += each.plan.fee / span.full_days
                date += A_DAY
    return total


@settings(max_examples=50)
@given(histories())
def test_every_day_is_paid_once_whenever_it_was_agreed(
    history: tuple[list[Span], list[Held]],
) -> None:
    """In advance, in arrears, given back: over all closes it is the sum of the days."""
    spans, subscriptions = history
    charged = sum(
        (
            fee.amount
            for terms in closes(spans, subscriptions)
            for fee in fees_of(terms)
        ),
        Fraction(0),
    )
    assert charged == due_of(spans, subscriptions)


@settings(max_examples=50)
@given(histories(), st.randoms(use_true_random=False))
def test_order_and_splitting_change_nothing(
    history: tuple[list[Span], list[Held]], chance: random.Random
) -> None:
    """A subscription that was written in two pieces makes due what it did in one."""
    spans, subscriptions = history
    pieces = []
    for each in subscriptions:
        assert each.ends_on is not None
        days = (each.ends_on - each.starts_on).days
        cut_at = each.starts_on + chance.randint(0, days - 1) * A_DAY
        pieces.append(
            dataclasses.replace(each, ends_on=cut_at, end_agreed_at=each.agreed_at)
        )
        pieces.append(dataclasses.replace(each, starts_on=cut_at))
    pieces = [each for each in pieces if each.starts_on != each.ends_on]
    chance.shuffle(pieces)
    assert closes(spans, pieces) == closes(spans, subscriptions)


@settings(max_examples=50)
@given(histories(), st.randoms(use_true_random=False))
def test_what_is_agreed_after_a_period_changes_nothing_of_it(
    history: tuple[list[Span], list[Held]], chance: random.Random
) -> None:
    """Closed early, late or made again from the books: the same."""
    spans, subscriptions = history
    final = closes(spans, subscriptions)
    for number, span in enumerate(spans):
        now = span.ends_at + chance.randint(0, 60) * A_DAY
        known = [
            each
            if each.end_agreed_at is not None and each.end_agreed_at < now
            else dataclasses.replace(each, ends_on=None, end_agreed_at=None)
            for each in subscriptions
            if each.agreed_at < now
        ]
        following = spans[number + 1] if number + 1 < len(spans) else None
        assert cut(known, period=span, following=following) == final[number]


@settings(max_examples=50)
@given(histories())
def test_shares_and_commitments_add_up(
    history: tuple[list[Span], list[Held]],
) -> None:
    spans, subscriptions = history
    for span, terms in zip(spans, closes(spans, subscriptions), strict=True):
        days = sum((each.end_date - each.first_date).days for each in terms.segments)
        assert sum(each.share for each in terms.segments) == Fraction(
            days, span.full_days
        )
        assert terms.commitment == sum(
            each.plan.commitment * each.share for each in terms.segments
        )
        ordered = sorted(terms.segments, key=lambda each: each.first_date)
        assert list(terms.segments) == ordered
        assert all(
            one.end_date <= other.first_date
            for one, other in itertools.pairwise(ordered)
        )


def test_all_zones_are_known() -> None:
    assert set(ZONES) <= zoneinfo.available_timezones()
    assert FeeKind.UNUSED in set(FeeKind)
