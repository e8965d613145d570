"""What plans bring a month, what moved it, and that no sum strays from its parts."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from kit.money import picos_from_minor
from metering.subscriptions.recurring import (
    Holding,
    Why,
    fee_of,
    holdings,
    recurring,
)
from metering.subscriptions.selectors import plan_terms
from metering.subscriptions.services import DiscountWanted
from pages.finance.sections import SEE_PLANS
from tests.factories.billing import make_tenant_of
from tests.factories.subscriptions import make_plan_version, make_subscription
from tests.pages.reading import tables, text

OPENS, CLOSES = dt.date(2026, 9, 30), dt.date(2026, 10, 31)
ONE_DAY = dt.timedelta(days=1)


def holding(
    tenant: int, fee: int, starts: dt.date, ends: dt.date | None = None
) -> Holding:
    return Holding(tenant, fee, f"plan {fee}", "USD", fee, 0, starts, ends)


LONG_AGO, BEFORE, WITHIN = (
    dt.date(2026, 1, 1),
    dt.date(2026, 6, 1),
    dt.date(2026, 10, 10),
)


@pytest.mark.parametrize(
    ("held", "why", "moved"),
    [
        ([holding(1, 5, WITHIN)], Why.NEW, 5),
        ([holding(1, 5, LONG_AGO)], None, 0),
        ([holding(1, 5, LONG_AGO, WITHIN)], Why.CHURN, -5),
        (
            [holding(1, 5, LONG_AGO, WITHIN), holding(1, 9, WITHIN)],
            Why.EXPANSION,
            4,
        ),
        (
            [holding(1, 9, LONG_AGO, WITHIN), holding(1, 5, WITHIN)],
            Why.CONTRACTION,
            -4,
        ),
        (
            [holding(1, 9, LONG_AGO, BEFORE), holding(1, 5, WITHIN)],
            Why.REACTIVATION,
            5,
        ),
        # A plan without a fee is none, and what came and went within is not seen.
        ([holding(1, 0, LONG_AGO, WITHIN), holding(1, 5, WITHIN)], Why.NEW, 5),
        ([holding(1, 5, WITHIN, WITHIN + ONE_DAY)], None, 0),
    ],
)
def test_what_moved_a_tenants_recurring_revenue(
    held: list[Holding], why: Why | None, moved: int
) -> None:
    found = recurring(held, currency="USD", opens=OPENS, closes=CLOSES)
    assert {each.why for each in found.of_tenants} <= {why}
    assert sum(found.moved.values()) == moved
    if why is not None:
        assert found.moved[why] == moved


_DATES = st.integers(0, 700).map(lambda n: dt.date(2025, 6, 1) + n * ONE_DAY)


@given(
    st.lists(
        st.builds(
            holding, st.integers(1, 4), st.integers(0, 9), _DATES, st.none() | _DATES
        ),
        max_size=12,
    )
)
def test_opening_and_what_moved_come_to_the_closing(held: list[Holding]) -> None:
    found = recurring(held, currency="USD", opens=OPENS, closes=CLOSES)
    assert found.opening_picos + sum(found.moved.values()) == found.closing_picos
    assert sum(row.closing_picos for row in found.plans) == found.closing_picos
    assert sum(row.closing_picos for row in found.of_tenants) == found.closing_picos
    assert recurring(held, currency="EUR", opens=OPENS, closes=CLOSES).plans == []


def test_discounts_of_use_take_nothing_off_a_fee(operator_db: None) -> None:
    def fee(*discounts: DiscountWanted) -> int:
        version = make_plan_version(fee_minor=10_000, discounts=discounts)
        return int(100 * fee_of(plan_terms(version)))

    assert fee() == 10_000
    assert fee(DiscountWanted(name="use", scope="usage", percent=Decimal(50))) == 10_000
    ten = DiscountWanted(name="ten", scope="fees", percent=Decimal(10))
    assert fee(ten) == 9_000
    off = DiscountWanted(name="off", scope="all", amount_minor=1_000)
    assert (fee(ten, off), fee(off, ten)) == (8_000, 8_100)
    assert fee(DiscountWanted(name="all", scope="fees", amount_minor=99_999)) == 0


def test_the_page_says_what_the_plans_say(
    operator_db: None, sign_in: Callable[..., Client]
) -> None:
    now = dt.datetime(2026, 10, 5, tzinfo=dt.UTC)
    for fee in (1_000, 2_000):
        make_subscription(
            tenant=make_tenant_of(now.date(), slug=f"of-{fee}"),
            version=make_plan_version(fee_minor=fee),
            starts_on=now.date(),
            now=now,
        )
    finance = sign_in(*SEE_PLANS)
    assert "Nothing is booked yet" in text(finance.get("/finance/mrr/").content)
    found = recurring(holdings(), currency="USD", opens=OPENS, closes=CLOSES)
    assert found.closing_picos == picos_from_minor(3_000, "USD")
    assert found.moved[Why.NEW] == found.closing_picos


def test_who_may_not_see_plans_is_told(finance: Client, books: object) -> None:
    answer = finance.get("/finance/mrr/")
    assert answer.status_code == 403
    assert "subscriptions.view_subscription" in text(answer.content)
    assert not tables(answer.content)
