"""What a component counts, and where discounts and commitments find nothing to take."""

import datetime as dt
from dataclasses import replace
from fractions import Fraction

import pytest

from kit.contracts import TokenClass
from metering.billing.composing.bill import Bill, BilledPeriod
from metering.billing.composing.compose import (
    Charges,
    CreditTaken,
    charges_of,
    complete,
)
from metering.billing.lines import LineError, Posted
from metering.subscriptions.terms import DiscountScope, Fee, FeeKind, Meter
from metering.taxes.rating import UNTAXED
from tests.metering.billing.terms_scene import (
    BEFORE,
    END,
    FIRST,
    component,
    discount,
    period,
    posted,
    price,
    segment,
)

MILLION = 10**6
PER_MILLION = {"model": "per_unit", "unit_price": "2", "unit_size": "1000000"}
TENTH = {"model": "percentage", "rate_percent": "10"}
CENT = {"model": "per_unit", "unit_price": "0.01"}


def charges(
    *postings: Posted,
    periods: tuple[BilledPeriod, ...],
    requests: dict[tuple[dt.date, str], int] | None = None,
) -> Charges:
    return charges_of(
        Bill(
            currency="USD",
            first_date=FIRST,
            postings=postings,
            periods=periods,
            requests=requests or {},
        )
    )


def told(made: Charges) -> list[tuple[str, int]]:
    return [(str(line.kind), line.amount_minor) for line in made.lines]


def test_a_share_is_of_the_use_of_its_models() -> None:
    share = component(TENTH, meter=Meter.CHARGE, models=frozenset({"model-2"}))
    made = charges(
        posted(10 * MILLION),
        posted(20 * MILLION, of=price(2)),
        periods=(period(segment(components=(share,))),),
    )
    assert told(made) == [("usage", 3000), ("usage", 6000), ("component", 600)]


def test_a_share_is_not_of_what_another_component_charges() -> None:
    parts = (
        component(PER_MILLION),
        replace(component(TENTH, meter=Meter.CHARGE), id=2),
    )
    made = charges(
        posted(10 * MILLION),
        posted(10 * MILLION, token_class=TokenClass.OUTPUT),
        periods=(period(segment(components=parts)),),
    )
    assert told(made) == [("usage", 15000), ("component", 2000), ("component", 1500)]


def test_requests_are_counted_of_their_models() -> None:
    counted = component(CENT, meter=Meter.REQUESTS, models=frozenset({"model-2"}))
    made = charges(
        periods=(period(segment(components=(counted,))),),
        requests={(FIRST, "model-1"): 40, (FIRST, "model-2"): 7},
    )
    assert told(made) == [("component", 7)]


def test_a_discount_for_models_leaves_a_component_of_more_alone() -> None:
    of_both = component(PER_MILLION, models=frozenset({"model-1", "model-2"}))
    half = discount(
        1, percent=50, scope=DiscountScope.USAGE, models=frozenset({"model-2"})
    )
    made = charges(
        posted(10 * MILLION, of=price(2)),
        periods=(period(segment(components=(of_both,), discounts=(half,))),),
    )
    assert told(made) == [("component", 2000)]


@pytest.mark.parametrize("scope", list(DiscountScope))
def test_an_amount_is_taken_from_nothing_nowhere(scope: DiscountScope) -> None:
    plan = segment(discounts=(discount(1, amount=5, scope=scope),))
    assert told(charges(periods=(period(plan),))) == []
    back = posted(-MILLION)
    assert told(charges(back, periods=(period(plan),))) == [("usage", -300)]


def test_nothing_is_filled_up_without_a_commitment() -> None:
    """What is given back stays so, though the period comes to less than nothing."""
    plan = segment().plan
    unused = Fee(
        kind=FeeKind.UNUSED,
        plan=plan,
        first_date=FIRST,
        end_date=FIRST.replace(day=11),
        share=Fraction(-10, 31),
        amount=Fraction(-10),
    )
    made = charges(periods=(period(segment(), fees=(unused,)),))
    assert told(made) == [("fee", -1000)]
    assert made.exact_picos == -10 * 10**12


def test_what_no_column_holds_is_said_before_it_is_written() -> None:
    dear = price(picos=5 * 10**12)
    with pytest.raises(LineError, match="more than an invoice can ask for"):
        charges(posted(10**17, of=dear), periods=())


def test_a_discount_for_models_takes_from_their_component() -> None:
    of_one = component(PER_MILLION, models=frozenset({"model-2"}))
    half = discount(
        1, percent=50, scope=DiscountScope.USAGE, models=frozenset({"model-2"})
    )
    late = segment(
        first_date=BEFORE, end_date=FIRST, components=(of_one,), discounts=(half,)
    )
    both = (
        period(late, first_date=BEFORE, end_date=FIRST, is_due=False),
        period(segment(components=(of_one,), discounts=(half,))),
    )
    made = charges_of(
        Bill(
            currency="USD",
            first_date=FIRST,
            postings=(
                posted(10 * MILLION, of=price(2)),
                posted(MILLION, of=price(2), date=BEFORE),
            ),
            before=(posted(5 * MILLION, of=price(2), date=BEFORE),),
            periods=both,
        )
    )
    assert told(made) == [
        ("component", 200),
        ("component", 2000),
        ("discount", -100),
        ("discount", -1000),
    ]


def test_fees_of_a_period_that_was_billed_are_not_charged_again() -> None:
    plan = segment().plan
    ahead = Fee(
        kind=FeeKind.ADVANCE,
        plan=plan,
        first_date=FIRST,
        end_date=END,
        share=Fraction(1),
        amount=Fraction(10),
    )
    late = period(
        segment(first_date=BEFORE, end_date=FIRST, fee=7),
        fees=(ahead,),
        first_date=BEFORE,
        end_date=FIRST,
        is_due=False,
    )
    made = charges(posted(MILLION, date=BEFORE), periods=(late, period()))
    assert told(made) == [("adjustment", 300)]


def test_credit_takes_off_no_more_than_is_charged() -> None:
    """Two lines of 0.4 cents charge nothing, and credit for 0.7 would be a cent."""
    uses = [posted(1, of=price(pk, picos=4 * 10**9)) for pk in (1, 2)]
    taken = [CreditTaken(1, "a gift", 7 * 10**9, None)]
    lines = complete(charges(*uses, periods=()), credit=taken, treatment=UNTAXED)
    assert [line.amount_minor for line in lines.lines] == [0, 0, 0]
