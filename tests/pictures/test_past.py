"""The past that the pictures show: the same each time, and believable."""

import datetime as dt
import random
from collections import Counter

from tests.pictures.past import CUSTOMERS, DAYS, SEED, UNTIL, moments

NOW = dt.datetime(2026, 11, 21, 13, 30, tzinfo=dt.UTC)


def past(now: dt.datetime = NOW) -> list[list[tuple[dt.datetime, int]]]:
    """Return when each customer called, and how many tokens it was answered."""
    chance = random.Random(SEED)
    return [
        [
            (moment.at, moment.answer_tokens)
            for moment in moments(customer, now=now, chance=chance)
        ]
        for customer in CUSTOMERS
    ]


def test_two_runs_are_the_same() -> None:
    assert past() == past()


def test_it_ends_before_the_calls_that_are_made() -> None:
    for customer, calls in zip(CUSTOMERS, past(), strict=True):
        instants = [at for at, _ in calls]
        assert min(instants) >= customer.came(NOW)
        assert max(instants) < NOW - UNTIL
        assert len({at.date() for at in instants}) >= DAYS - customer.first_day


def test_tokens_are_counts_that_an_engine_could_have_told() -> None:
    chance = random.Random(SEED)
    for customer in CUSTOMERS:
        for moment in moments(customer, now=NOW, chance=chance):
            assert 0 <= moment.cached_tokens < moment.prompt_tokens
            assert moment.cached_tokens % 16 == 0
            assert moment.answer_tokens > 0


def test_offices_are_quiet_at_the_weekend() -> None:
    office = past()[0]
    by_weekday = Counter(at.weekday() for at, _ in office)
    assert by_weekday[6] < by_weekday[2] / 2
