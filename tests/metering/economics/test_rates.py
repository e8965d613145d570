"""Which rate holds: the nearest level, the latest date, the later row."""

import datetime as dt

import pytest
from django.db import connections
from django.db.utils import Error

from kit.errors import InvalidRequest
from kit.orm.atomic import atomic
from metering.economics.models import CostRate
from metering.economics.rates import Rate, Rates
from metering.economics.selectors import rates_in_force
from tests.factories.economics import make_rate

DAY = dt.date(2026, 11, 10)
ONE = dt.timedelta(days=1)


def rate(number: int, level: str, subject: str, amount: int | None) -> Rate:
    return Rate(number, level, subject, DAY, "USD", amount, None, 200, 20)


def held(*rates: Rate, date: dt.date = DAY) -> int | None:
    found = Rates(rates, date=date).of(replica="r", model="m", engine="vllm")
    return found.picos_per_hour if found else None


def test_the_nearest_level_decides() -> None:
    every = rate(1, "all", "", 1)
    engine = rate(2, "engine", "vllm", 2)
    model = rate(3, "model", "m", 3)
    own = rate(4, "replica", "r", 4)
    assert held(every) == 1
    assert held(own, every) == 4
    assert held(engine, model, every) == 3
    assert held(engine, every, rate(5, "model", "other", 9)) == 2


def test_a_row_without_an_amount_leaves_it_to_the_next_level() -> None:
    assert held(rate(1, "model", "m", 3), rate(2, "all", "", 1)) == 3
    ended = rate(3, "model", "m", None)
    assert held(rate(1, "model", "m", 3), rate(2, "all", "", 1), ended) == 1


def test_of_one_date_the_later_row_holds_and_nothing_before_its_date() -> None:
    assert held(rate(2, "all", "", 5), rate(1, "all", "", 3)) == 5
    assert held(rate(1, "all", "", 3), date=DAY - ONE) is None


@pytest.mark.usefixtures("operator_db")
class TestEntered:
    """Rates as operators enter them."""

    def test_a_new_row_ends_the_one_before(self) -> None:
        make_rate("2.00", starts_on=DAY)
        later = make_rate("3.00", starts_on=DAY + ONE)
        assert rates_in_force(date=DAY + ONE) == [later]
        assert len(rates_in_force(date=DAY - ONE)) == 0

    def test_whose_it_is_must_be_said(self) -> None:
        with pytest.raises(InvalidRequest, match="by name"):
            make_rate(level=CostRate.Level.MODEL)
        with pytest.raises(InvalidRequest, match="no name"):
            make_rate(subject="vllm")
        with pytest.raises(InvalidRequest, match="2020"):
            make_rate(starts_on=dt.date(2019, 12, 31))
        assert not CostRate.objects.exists()

    def test_nobody_changes_a_rate(self) -> None:
        row = make_rate()
        for statement in (
            "UPDATE economics_costrate SET note = 'x'",
            "DELETE FROM economics_costrate",
        ):
            with (
                pytest.raises(Error),
                atomic(),
                connections["operator"].cursor() as own,
            ):
                own.execute(statement)
        row.refresh_from_db()
        assert row.note == ""
