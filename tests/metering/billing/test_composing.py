"""Composing a bill: a fixed order, exact sums, the same whatever it is made from."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.contracts import TokenClass
from kit.money import picos_from_minor
from metering.billing.composing.bill import Bill, BilledPeriod
from metering.billing.composing.compose import (
    Charges,
    CreditTaken,
    charges_of,
    complete,
)
from metering.billing.lines import LineError, LineKind, Lines, Posted
from metering.pricing.rating import CHARGED_CLASSES
from metering.subscriptions.terms import DiscountScope, Fee, FeeKind, Meter
from metering.taxes.rating import UNTAXED, Rate, Treatment
from tests.metering.billing.terms_scene import (
    BEFORE,
    END,
    FIRST,
    ONE,
    component,
    discount,
    period,
    posted,
    price,
    segment,
)

MILLION = 10**6
DOLLAR = 10**12
VAT = Treatment("taxed", (Rate(1, "VAT", Decimal("19.0000")),), "")
PER_MILLION = {"model": "per_unit", "unit_price": "2", "unit_size": "1000000"}


def charges(
    *postings: Posted,
    periods: tuple[BilledPeriod, ...] = (),
    before: tuple[Posted, ...] = (),
    requests: dict[tuple[dt.date, str], int] | None = None,
    currency: str = "USD",
) -> Charges:
    return charges_of(
        Bill(
            currency=currency,
            first_date=FIRST,
            postings=postings,
            before=before,
            periods=periods,
            requests=requests or {},
        )
    )


def told(made: Charges | Lines) -> list[tuple[str, int]]:
    return [(str(line.kind), line.amount_minor) for line in made.lines]


def test_all_kinds_stand_in_their_order() -> None:
    plan = segment(
        fee=10,
        commitment=100,
        components=(component(PER_MILLION),),
        discounts=(discount(1, percent=50),),
    )
    made = charges(
        posted(5 * MILLION),
        posted(MILLION, token_class=TokenClass.OUTPUT),
        posted(MILLION, token_class=TokenClass.OUTPUT, date=BEFORE),
        periods=(period(plan),),
    )
    lines = complete(
        made, credit=[CreditTaken(1, "a gift", 20 * DOLLAR, None)], treatment=VAT
    )
    assert told(lines) == [
        ("usage", 1500),
        ("adjustment", 1500),
        ("component", 1000),
        ("fee", 1000),
        ("discount", -1750),
        # What came late neither counts towards this commitment nor fills it.
        ("commitment", 10000 - 1750),
        ("credit", -2000),
        ("tax", 1805),
    ]
    assert (lines.subtotal_minor, lines.tax_minor) == (11500, 1805)
    assert lines.amount_minor == 11500 - 2000 + 1805


def test_discounts_take_from_what_those_before_left() -> None:
    plan = segment(fee=50, discounts=(discount(1, amount=50), discount(2, percent=10)))
    made = charges(posted(50 * MILLION), periods=(period(plan),))
    assert told(made) == [
        ("usage", 15000),
        ("fee", 5000),
        ("discount", -5000),
        ("discount", -1500),
    ]


@pytest.mark.parametrize(
    ("scope", "models", "taken"),
    [
        (DiscountScope.ALL, frozenset(), -2200),
        (DiscountScope.USAGE, frozenset(), -1200),
        (DiscountScope.FEES, frozenset(), -1000),
        (DiscountScope.USAGE, frozenset({"model-2"}), -300),
    ],
)
def test_a_discount_takes_from_what_it_is_for(
    scope: DiscountScope, models: frozenset[str], taken: int
) -> None:
    plan = segment(
        fee=100, discounts=(discount(1, percent=10, scope=scope, models=models),)
    )
    made = charges(
        posted(30 * MILLION),
        posted(10 * MILLION, of=price(2)),
        periods=(period(plan),),
    )
    assert told(made)[-1] == ("discount", taken)


def test_a_fixed_discount_takes_no_more_than_there_is() -> None:
    plan = segment(discounts=(discount(1, amount=50),))
    made = charges(posted(MILLION), periods=(period(plan),))
    assert made.amount_minor == 0


def test_late_use_is_not_discounted_by_what_was_taken_off_before() -> None:
    """The fixed amount was taken off the fee when its period was due."""
    late = period(
        segment(
            first_date=BEFORE,
            end_date=FIRST,
            fee=10,
            discounts=(discount(1, amount=1), discount(2, percent=10)),
        ),
        first_date=BEFORE,
        end_date=FIRST,
        is_due=False,
    )
    made = charges(posted(MILLION, date=BEFORE), periods=(late, period()))
    assert told(made) == [("adjustment", 300), ("discount", -30)]


def test_a_change_of_plan_charges_each_its_days() -> None:
    middle = FIRST.replace(day=11)
    first = segment(end_date=middle, share=Fraction(10, 31), fee=31, components=())
    second = segment(
        first_date=middle,
        share=Fraction(21, 31),
        fee=62,
        components=(component(PER_MILLION),),
        version_id=8,
    )
    made = charges(
        posted(MILLION),
        posted(MILLION, date=middle),
        periods=(period(first, second),),
    )
    assert told(made) == [
        ("usage", 300),
        ("component", 200),
        ("fee", 1000),
        ("fee", 4200),
    ]


def test_the_commitment_is_what_is_charged_to_the_minor_unit() -> None:
    """Rounding of many lines does not show in the sum that was agreed on."""
    uses = [posted(1, of=price(pk, picos=6 * 10**9)) for pk in range(1, 9)]
    made = charges(*uses, periods=(period(segment(commitment=1)),))
    assert made.amount_minor == 100
    assert told(made)[-1] == ("commitment", 92)
    assert made.exact_picos == DOLLAR


def test_a_commitment_that_is_reached_adds_nothing() -> None:
    made = charges(posted(MILLION), periods=(period(segment(commitment=3)),))
    assert told(made) == [("usage", 300)]


def test_credit_for_everything_leaves_nothing_to_pay() -> None:
    """81 lines that each round up are paid off by the credit for their exact sum."""
    uses = [posted(1, of=price(pk, picos=6 * 10**9)) for pk in range(1, 82)]
    made = charges(*uses)
    taken = [
        CreditTaken(1, "a gift", made.exact_picos // 3, None),
        CreditTaken(2, "a gift", made.exact_picos - made.exact_picos // 3, None),
    ]
    lines = complete(made, credit=taken, treatment=VAT)
    assert made.amount_minor == 81
    assert (lines.amount_minor, lines.exact_picos, lines.tax_minor) == (0, 0, 0)


def test_parts_say_what_credit_may_pay_by_model() -> None:
    plan = segment(fee=10, discounts=(discount(1, percent=10),))
    made = charges(
        posted(10 * MILLION),
        posted(10 * MILLION, of=price(2)),
        periods=(period(plan),),
    )
    parts = {part.model: part.picos for part in made.parts}
    assert parts == {
        "model-1": 27 * DOLLAR,
        "model-2": 27 * DOLLAR,
        None: 9 * DOLLAR,
    }
    assert sum(parts.values()) == made.exact_picos


def test_requests_are_counted_by_a_component() -> None:
    fixed = {"model": "per_unit", "unit_price": "0.01"}
    plan = segment(components=(component(fixed, meter=Meter.REQUESTS),))
    made = charges(
        posted(MILLION),
        periods=(period(plan),),
        requests={(FIRST, "model-1"): 40, (BEFORE, "model-1"): 7},
    )
    assert told(made) == [("usage", 300), ("component", 40)]


def test_a_charge_is_a_quantity_too() -> None:
    share = {"model": "percentage", "rate_percent": "10"}
    plan = segment(components=(component(share, meter=Meter.CHARGE),))
    made = charges(posted(MILLION), periods=(period(plan),))
    assert told(made) == [("usage", 300), ("component", 30)]


def test_what_was_paid_in_advance_is_given_back_with_its_discount() -> None:
    plan = segment().plan
    unused = Fee(
        kind=FeeKind.UNUSED,
        plan=plan,
        first_date=FIRST.replace(day=11),
        end_date=END,
        share=Fraction(-21, 31),
        amount=Fraction(-21),
        discounts=(discount(1, percent=10), discount(2, amount=-2)),
    )
    made = charges(posted(30 * MILLION), periods=(period(fees=(unused,)),))
    assert told(made) == [
        ("usage", 9000),
        ("fee", -2100),
        ("discount", 210),
        ("discount", 200),
    ]


def test_a_period_that_was_not_billed_is_billed_with_the_next() -> None:
    carried = period(
        segment(first_date=BEFORE, end_date=FIRST, fee=5, commitment=20),
        first_date=BEFORE,
        end_date=FIRST,
    )
    made = charges(
        posted(MILLION, date=BEFORE), posted(MILLION), periods=(carried, period())
    )
    assert told(made) == [
        ("usage", 300),
        ("adjustment", 300),
        ("fee", 500),
        ("commitment", 1200),
    ]


def test_another_currency_is_refused() -> None:
    with pytest.raises(LineError, match="Team is priced in EUR"):
        charges(periods=(period(segment(currency="EUR", fee=1)),))


def test_keys_are_unique() -> None:
    middle = FIRST.replace(day=11)
    plans = [
        segment(
            first_date=first,
            end_date=end,
            share=Fraction(1, 2),
            fee=3,
            components=(component(PER_MILLION),),
            discounts=(discount(1, percent=10),),
        )
        for first, end in ((FIRST, middle), (middle, END))
    ]
    late = period(
        segment(
            first_date=BEFORE,
            end_date=FIRST,
            components=(component(PER_MILLION),),
            discounts=(discount(1, percent=10),),
        ),
        first_date=BEFORE,
        end_date=FIRST,
        is_due=False,
    )
    made = charges(
        *(posted(MILLION, date=date) for date in (BEFORE, FIRST, middle)),
        *(posted(3, token_class=each, date=BEFORE) for each in CHARGED_CLASSES),
        periods=(late, period(*plans)),
    )
    keys = [line.key for line in made.lines]
    assert len(keys) == len(set(keys)) == 10


TIERS = {
    "model": "graduated",
    "tiers": [
        {"up_to": "500", "unit_price": "0.5"},
        {"up_to": None, "unit_price": "0.25", "flat_fee": "3"},
    ],
}
_uses = st.lists(
    st.tuples(
        st.integers(0, 1000),
        st.integers(1, 3),
        st.sampled_from(CHARGED_CLASSES),
        st.integers(1, 31),
        st.integers(0, 2),
    ),
    max_size=20,
)


def _postings(uses: list[tuple[int, int, TokenClass, int, int]]) -> list[Posted]:
    return [
        posted(
            quantity,
            of=price(pk, picos=pk * 70),
            token_class=token_class,
            date=FIRST.replace(day=day),
        )
        for quantity, pk, token_class, day, _ in uses
    ]


def _plan(*, is_due: bool = True) -> BilledPeriod:
    plan = segment(
        fee=3,
        components=(component(TIERS, models=frozenset({"model-1"})),),
        discounts=(discount(1, percent=10), discount(2, percent=5)),
    )
    return period(plan, is_due=is_due)


@given(uses=_uses, randomly=st.randoms(use_true_random=False), cut=st.integers(0, 1000))
def test_order_and_splitting_change_nothing(
    uses: list[tuple[int, int, TokenClass, int, int]], randomly: Random, cut: int
) -> None:
    whole = _postings(uses)
    pieces = [
        posted(part, of=each.price, token_class=each.token_class, date=each.date)
        for each in whole
        for part in (min(cut, each.quantity), each.quantity - min(cut, each.quantity))
    ]
    randomly.shuffle(pieces)
    one = complete(charges(*whole, periods=(_plan(),)), credit=[], treatment=VAT)
    other = complete(charges(*pieces, periods=(_plan(),)), credit=[], treatment=VAT)
    assert one.sha256 == other.sha256
    assert one.lines == other.lines


@given(uses=_uses)
def test_what_comes_late_is_charged_what_it_would_have_been(
    uses: list[tuple[int, int, TokenClass, int, int]],
) -> None:
    """Whichever of three bills each posting is on, together they charge the same."""
    postings = _postings(uses)
    batches = [
        tuple(each for each, use in zip(postings, uses, strict=True) if use[-1] == turn)
        for turn in range(3)
    ]
    at_once = charges(*postings, periods=(_plan(),)).exact_picos
    before: tuple[Posted, ...] = ()
    total = 0
    for turn, batch in enumerate(batches):
        made = charges_of(
            Bill(
                currency="USD",
                first_date=END if turn else FIRST,
                postings=batch,
                before=before,
                periods=(_plan(is_due=not turn),),
            )
        )
        total += made.exact_picos
        before += batch
    # Only what lies between two picos is rounded, once a line.
    assert abs(total - at_once) <= 12


@given(
    uses=_uses,
    currency=st.sampled_from(["USD", "JPY", "BHD"]),
    share=st.integers(0, 100),
)
def test_lines_and_rounding_are_the_receivable(
    uses: list[tuple[int, int, TokenClass, int, int]], currency: str, share: int
) -> None:
    postings = [
        replace(each, price=replace(each.price, currency=currency))
        for each in _postings(uses)
    ]
    made = charges(*postings, currency=currency)
    picos = made.exact_picos * share // 100
    credit = [CreditTaken(1, "a gift", picos, None)] if picos else []
    lines = complete(made, credit=credit, treatment=UNTAXED)
    rounding = sum(
        picos_from_minor(line.amount_minor, currency) - line.exact_picos
        for line in lines.lines
    )
    receivable = picos_from_minor(lines.amount_minor, currency)
    assert lines.exact_picos + rounding == receivable
    assert lines.amount_minor >= 0
    if share == 100:
        assert lines.amount_minor == 0


def test_kinds_are_the_models() -> None:
    # The models are not ready when this module is read.
    from metering.billing.models import InvoiceLine  # noqa: PLC0415

    assert {str(kind) for kind in LineKind} == set(InvoiceLine.Kind.values)
    assert ONE == 1
