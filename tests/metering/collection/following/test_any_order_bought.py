"""Whatever happens to money that bought credit, credit and tax are what stayed of it.

Things happen at Stripe at random, and are told at random: late, twice, in any order, or
never. In the end everything was listed.
"""

import contextlib
from typing import Any

import pytest
import stripe
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, note
from hypothesis import settings as how
from hypothesis import strategies as st

from kit.errors import Conflict
from kit.money import picos_from_minor
from kit.orm.roles import OPERATOR
from metering.collection.models import Purchase
from metering.receivables.holding import open_hold
from metering.receivables.settling import facts_of
from tests.metering.collection.following.bought import buy, credit_minor, taxed
from tests.metering.collection.following.scene import DAY_S, VISA, Scene, balances
from tests.metering.collection.following.test_any_order import (
    Course,
    _catch_up,
    _tell_some,
    _tell_the_rest,
)
from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.errors import ApiError

# Its refunds arrive in three days.
SLOW = "4000000000007726"
WHOLE, TAX = 1_190, 190

things = st.one_of(
    st.tuples(st.just("buy"), st.sampled_from([VISA, SLOW])),
    st.tuples(st.just("refund"), st.integers(0, 1), st.integers(1, WHOLE)),
    st.tuples(st.just("dispute"), st.integers(0, 1)),
    st.tuples(st.just("decide"), st.sampled_from(["won", "lost"])),
    st.tuples(st.just("wait"), st.sampled_from([60, 4 * DAY_S])),
)


class Buying(Course):
    """One course of credit being bought at a Stripe of its own."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.tenant = taxed()
        self.bought: list[Purchase] = []

    def _buy(self, card: str) -> None:
        with contextlib.suppress(Conflict):
            row = buy(self.scene, self.tenant, WHOLE - TAX, card=card)
            self.intents[len(self.bought)] = row.intent
            self.bought.append(row)

    def gone(self, intent: str) -> int:
        """Return how much of a payment went back at Stripe, and stayed away."""
        rows = self.scene.account.rows
        back = sum(
            row["amount"]
            for row in rows["refund"].values()
            if row["payment_intent"] == intent and row["status"] == "succeeded"
        )
        moved = sum(
            each["amount"]
            for row in rows["dispute"].values()
            if row["payment_intent"] == intent
            for each in row["balance_transactions"]
        )
        return int(back - moved)


@given(data=st.data(), course=st.lists(things, min_size=3, max_size=10))
@how(
    max_examples=15,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.timeout(600)
def test_credit_and_tax_are_what_stayed(
    operator_db: None, settings: Any, data: st.DataObject, course: list[Any]
) -> None:
    whole = transaction.atomic(using=OPERATOR)
    # As `operator_db` itself: services may insist on the outermost transaction.
    whole._from_testcase = True  # type: ignore[attr-defined]
    note(f"course {course}")
    with StripeStandIn() as standin, whole:
        settings.STRIPE_API_BASE = standin.url
        scene = Scene(standin)
        _catch_up(scene)
        there = Buying(scene)
        there.do("buy", VISA)
        for thing in course:
            with contextlib.suppress(ApiError, stripe.StripeError):
                there.do(*thing)
            _tell_some(scene, data)
        _tell_the_rest(scene)
        _agree(there)
        transaction.set_rollback(True, using=OPERATOR)


def _agree(there: Buying) -> None:
    assert there.scene.problems() == []
    here = balances(there.tenant)
    assert here.get("cash", 0) == picos_from_minor(there.cash_there(), "USD")
    held_minor = 0
    for row in there.bought:
        row.refresh_from_db()
        invoice = row.top_up.invoice
        assert invoice is not None
        left = WHOLE - there.gone(row.intent)
        held = credit_minor(invoice)
        # Each is rounded by itself.
        assert abs(held * WHOLE - left * (WHOLE - TAX)) <= WHOLE, (left, held)
        held_minor += held
        is_disputed = row.intent in there.disputed()
        assert (facts_of(invoice).open_minor > 0) == is_disputed
        assert (open_hold(invoice) is not None) == is_disputed
    assert here.get("wallet", 0) == -picos_from_minor(held_minor, "USD")
    if not there.disputed():
        # Nothing is asked for, and of each sale the tax is what its credit is not.
        assert set(here) <= {"cash", "wallet", "tax"}
