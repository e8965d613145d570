"""Late use: whichever bills it is spread over, together they charge what one would.

Components, fixed discounts and commitments look at all of a period, so what comes late
reopens what they made of it.
"""

import datetime as dt
from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from kit.contracts import TokenClass
from kit.money import minor_from_units
from metering.billing.composing.bill import Bill, BilledPeriod, CameTo
from metering.billing.composing.compose import Charges, charges_of
from metering.billing.lines import Line, LineKind, Posted
from metering.pricing.rating import CHARGED_CLASSES
from metering.subscriptions.terms import DiscountScope, Meter
from tests.metering.billing.terms_scene import (
    END,
    FIRST,
    component,
    discount,
    period,
    posted,
    price,
    segment,
)

DOLLAR = 10**12
NEXT_END = dt.date(2026, 12, 1)
MIDDLE = FIRST.replace(day=11)
TIERS = {
    "model": "graduated",
    "tiers": [
        {"up_to": "500", "unit_price": "0.5"},
        {"up_to": None, "unit_price": "0.25", "flat_fee": "3"},
    ],
}
SHARE = {
    "model": "percentage",
    "rate_percent": "10",
    "fee_per_event": "0.3",
    "included_events": "1",
    "minimum": "2",
    "maximum": "9",
}
REQUESTS = {"model": "package", "package_size": "3", "package_price": "1"}
Batch = list[tuple[int, int, TokenClass, int]]
batches = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 1000),
            st.integers(1, 3),
            st.sampled_from(CHARGED_CLASSES),
            st.integers(1, 31),
        ),
        max_size=6,
    ),
    min_size=2,
    max_size=4,
)


def plan(commitment: int, *, is_due: bool) -> BilledPeriod:
    """Return a period that changed plans, with all that looks at a whole one."""
    first = segment(
        end_date=MIDDLE,
        share=Fraction(10, 31),
        commitment=commitment,
        fee=3,
        components=(component(TIERS, models=frozenset({"model-1"})),),
        discounts=(
            discount(1, percent=10),
            discount(2, amount=40, scope=DiscountScope.USAGE),
            discount(3, percent=5),
        ),
    )
    second = segment(
        first_date=MIDDLE,
        share=Fraction(21, 31),
        commitment=commitment,
        components=(
            component(SHARE, meter=Meter.CHARGE),
            replace(component(REQUESTS, meter=Meter.REQUESTS), id=2),
        ),
        discounts=(
            discount(4, amount=25),
            discount(
                5, amount=7, scope=DiscountScope.USAGE, models=frozenset({"model-2"})
            ),
            discount(6, percent=20),
        ),
        version_id=8,
    )
    return period(first, second, is_due=is_due)


def postings(batch: Batch) -> tuple[Posted, ...]:
    return tuple(
        posted(
            quantity,
            of=price(pk, picos=pk * 7 * 10**9),
            token_class=token_class,
            date=FIRST.replace(day=day),
        )
        for quantity, pk, token_class, day in batch
    )


def requests(batch: Batch) -> dict[tuple[dt.date, str], int]:
    """Count each posting as a request of its day's segment."""
    counts: dict[tuple[dt.date, str], int] = {}
    for _, pk, _, day in batch:
        key = (FIRST if day < MIDDLE.day else MIDDLE, f"model-{pk}")
        counts[key] = counts.get(key, 0) + 1
    return counts


def bills(turns: list[Batch], commitment: int) -> list[Charges]:
    """Charge the first batch when the period is due, the others on later bills."""
    made: list[Charges] = []
    before: tuple[Posted, ...] = ()
    came_to = CameTo()
    for turn, batch in enumerate(turns):
        so_far = [use for each in turns[:turn] for use in each]
        is_due = not turn
        late = period(first_date=END, end_date=NEXT_END)
        charges = charges_of(
            Bill(
                currency="USD",
                first_date=FIRST if is_due else END,
                postings=postings(batch),
                before=before,
                periods=(plan(commitment, is_due=is_due), *([] if is_due else [late])),
                requests=requests(so_far + batch),
                requests_before=requests(so_far),
                came_to={} if is_due else {FIRST: came_to},
            )
        )
        made.append(charges)
        before += postings(batch)
        came_to = came_to.plus(charges.came_to.get(FIRST, CameTo()))
    return made


@given(turns=batches)
def test_it_is_charged_what_it_would_have_been(turns: list[Batch]) -> None:
    whole = [use for batch in turns for use in batch]
    (at_once,) = bills([whole], 0)
    total = sum(each.exact_picos for each in bills(turns, 0))
    # Only what lies between two picos is rounded, once a line.
    assert abs(total - at_once.exact_picos) <= 20


@given(turns=batches, commitment=st.integers(0, 60))
def test_a_period_comes_to_its_commitment_or_to_its_use(
    turns: list[Batch], commitment: int
) -> None:
    made = bills(turns, commitment)
    agreed = minor_from_units(Fraction(commitment), "USD")
    for so_far in range(1, len(made) + 1):
        lines = [line for each in made[:so_far] for line in each.lines]
        filled = sum(
            line.amount_minor for line in lines if line.kind is LineKind.COMMITMENT
        )
        counted = sum(line.amount_minor for line in lines) - filled
        assert counted + filled == max(agreed, counted)
        filled_picos, counted_picos = exact_of(lines)
        missing = commitment * DOLLAR - counted_picos if filled else 0
        assert filled_picos == max(0, missing)


def exact_of(lines: list[Line]) -> tuple[int, int]:
    """Return what filled a commitment, and what counted towards it, in picos."""
    filled = sum(line.exact_picos for line in lines if line.kind is LineKind.COMMITMENT)
    return filled, sum(line.exact_picos for line in lines) - filled


def test_late_use_below_a_cent_fills_exactly_as_much_less() -> None:
    late: Batch = [(1, 3, TokenClass.INPUT, 20)]
    _, made = bills([[], late], 100)
    # 2.1 cents at a fifth off, and a request's package.
    filled, counted = exact_of(list(made.lines))
    assert filled == -counted
    fine = replace(posted(1, of=price(9, picos=10**9)), date=FIRST)
    only = period(segment(commitment=10), is_due=False)
    made = charges_of(
        Bill(
            currency="USD",
            first_date=END,
            postings=(fine,),
            periods=(only, period(first_date=END, end_date=NEXT_END)),
            came_to={FIRST: CameTo(0, 0, 1000, 10 * DOLLAR)},
        )
    )
    assert [(str(line.kind), line.amount_minor) for line in made.lines] == [
        ("adjustment", 0),
        ("commitment", 0),
    ]
    assert made.exact_picos == 0


def test_what_rounding_leaves_to_fill_is_exactly_nothing() -> None:
    """Eight lines of 0.4 cents charge nothing, and are more than three cents."""
    uses = [posted(1, of=price(pk, picos=4 * 10**9)) for pk in range(1, 9)]
    plan_of_cents = segment(commitment=Fraction(3, 100))
    made = charges_of(
        Bill(
            currency="USD",
            first_date=FIRST,
            postings=tuple(uses),
            periods=(period(plan_of_cents),),
        )
    )
    assert made.amount_minor == 3
    assert made.exact_picos == 32 * 10**9


@given(turns=batches, commitment=st.integers(0, 60))
def test_what_credit_may_pay_is_what_is_charged(
    turns: list[Batch], commitment: int
) -> None:
    for charges in bills(turns, commitment):
        assert sum(part.picos for part in charges.parts) == charges.exact_picos
        keys = [line.key for line in charges.lines]
        assert len(keys) == len(set(keys))


def test_a_late_component_says_what_it_made_of_all_and_what_was_charged() -> None:
    use: Batch = [(600, 1, TokenClass.INPUT, 2)]
    _, late = bills([use, use], 0)
    (line,) = (line for line in late.lines if line.kind is LineKind.COMPONENT)
    told = line.document
    # Of a tenth of October: tiers of 161 9/31 units, and a flat fee of 30/31.
    charged = Fraction(str(told["whole"])) - Fraction(str(told["charged_before"]))
    assert charged == Fraction(600, 4)
    assert line.exact_picos == 150 * 10**12
    assert (told["quantity"], told["late"]) == ("600", True)


def test_a_bill_from_before_is_made_again_as_it_was() -> None:
    """Late use then took no fixed discount, no request, and left commitments alone."""
    use: Batch = [(100, 2, TokenClass.INPUT, 20)]
    made = charges_of(
        Bill(
            currency="USD",
            first_date=END,
            postings=postings(use),
            before=postings(use),
            periods=(plan(60, is_due=False), period(first_date=END, end_date=NEXT_END)),
            came_to=None,
        )
    )
    assert [(line.kind, line.amount_minor) for line in made.lines] == [
        (LineKind.ADJUSTMENT, 140),
        (LineKind.COMPONENT, 0),
        (LineKind.DISCOUNT, -28),
    ]
    assert "whole" not in made.lines[1].document
