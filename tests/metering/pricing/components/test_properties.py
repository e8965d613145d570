"""Rating against the slow way, and itself: order, batching, splitting are free."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import InvalidRequest
from kit.money import exponent
from metering.pricing.components.kinds import (
    ZERO,
    Component,
    Flat,
    Graduated,
    PerUnit,
    Tier,
    Volume,
)
from metering.pricing.components.rating import (
    NOTHING,
    PartKind,
    Usage,
    exact_charge,
    marginal,
    rate,
)
from metering.pricing.components.reading import component_from
from tests.metering.pricing.components.oracle import charge_of, minor_of
from tests.metering.pricing.components.strategies import MODELS, documents, tenths

components = documents().map(component_from)
growing = documents(
    tuple(model for model in MODELS if model != "volume"),
).map(component_from)
currencies = st.sampled_from(("JPY", "USD", "BHD"))
amounts = st.fractions(0, 40, max_denominator=1000)
usages = st.builds(Usage, amounts, st.integers(0, 40))


@given(documents(), tenths(), st.integers(0, 40), currencies)
def test_charges_what_counting_tenth_by_tenth_charges(
    document: dict[str, Any], quantity: str, events: int, currency: str
) -> None:
    charge, divisor = charge_of(document, quantity, events)
    usage = Usage(Fraction(quantity), events)
    rated = rate(component_from(document), usage, currency=currency)
    assert rated.exact == Fraction(charge) / Fraction(divisor)
    assert rated.amount_minor == minor_of(charge, divisor, exponent(currency))


@given(components, st.lists(usages, max_size=8), st.randoms())
def test_order_and_batching_change_no_total(
    component: Component, batches: list[Usage], randomly: Any
) -> None:
    total = sum(batches, NOTHING)
    randomly.shuffle(batches)
    # Some of the batches come together.
    cut = len(batches) // 2
    batches = [*batches[:cut], sum(batches[cut:], NOTHING)]
    before, charged = NOTHING, exact_charge(component, NOTHING)
    for batch in batches:
        charged += marginal(component, before=before, batch=batch)
        before += batch
    assert before == total
    assert charged == exact_charge(component, total)


@given(components, usages, st.lists(st.fractions(0, 1), max_size=6))
def test_splitting_a_batch_changes_no_total(
    component: Component, usage: Usage, cuts: list[Fraction]
) -> None:
    ends = [usage.quantity * cut for cut in sorted(cuts)]
    ends = [*ends, usage.quantity]
    before, charged = Usage(ZERO, usage.events), ZERO
    for end in ends:
        batch = Usage(end - before.quantity)
        charged += marginal(component, before=before, batch=batch)
        before += batch
    start = exact_charge(component, Usage(ZERO, usage.events))
    assert start + charged == exact_charge(component, usage)


@given(components, usages, usages)
def test_a_correction_takes_back_what_it_corrects(
    component: Component, before: Usage, batch: Usage
) -> None:
    back = Usage(-batch.quantity, -batch.events)
    added = marginal(component, before=before, batch=batch)
    assert marginal(component, before=before + batch, batch=back) == -added


@given(growing, usages, usages)
def test_more_use_never_costs_less(
    component: Component, before: Usage, batch: Usage
) -> None:
    assert marginal(component, before=before, batch=batch) >= 0


def test_a_volume_price_may_fall_where_a_tier_ends() -> None:
    price = Volume(
        tiers=(
            Tier(up_to=Fraction(5), unit_price=Fraction(7)),
            Tier(up_to=None, unit_price=Fraction(5)),
        )
    )
    five, one = Usage(Fraction(5)), Usage(Fraction(1))
    assert marginal(Component(model=price), before=five, batch=one) == -5


@given(components, usages, currencies)
def test_parts_bounds_and_rounding(
    component: Component, usage: Usage, currency: str
) -> None:
    rated = rate(component, usage, currency=currency)
    assert rated.exact == sum(part.amount for part in rated.parts)
    assert rated.exact >= component.minimum
    assert component.maximum is None or rated.exact <= component.maximum
    off = Fraction(rated.amount_minor, 10 ** exponent(currency)) - rated.exact
    half = Fraction(1, 2 * 10 ** exponent(currency))
    assert -half < off <= half
    units = [part.quantity for part in rated.parts if part.kind is PartKind.UNITS]
    if units:
        assert sum(units) == max(0, usage.quantity - component.included)


@given(amounts, amounts, usages)
def test_one_tier_is_a_price_per_unit_and_a_flat_fee(
    price: Fraction, fee: Fraction, usage: Usage
) -> None:
    tiers = (Tier(up_to=None, unit_price=price, flat_fee=fee),)
    of_units = exact_charge(Component(model=PerUnit(unit_price=price)), usage)
    of_fee = exact_charge(Component(model=Flat(flat_fee=fee)), usage)
    for model in (Graduated(tiers=tiers), Volume(tiers=tiers)):
        assert exact_charge(Component(model=model), usage) == of_units + of_fee


@given(components, st.fractions(0, 40))
def test_picos_are_stated_where_there_are_whole_ones(
    component: Component, quantity: Fraction
) -> None:
    rated = rate(component, Usage(quantity), currency="USD")
    if rated.exact_picos is None:
        assert (rated.exact * 10**12).denominator > 1
    else:
        assert Fraction(rated.exact_picos, 10**12) == rated.exact


@pytest.mark.parametrize("usage", [Usage(Fraction(-1)), Usage(ZERO, -1)])
def test_a_period_is_not_below_zero(usage: Usage) -> None:
    with pytest.raises(InvalidRequest, match="cannot be below zero"):
        rate(Component(model=Flat(flat_fee=ZERO)), usage, currency="USD")
