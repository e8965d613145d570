"""What is stated per period scales with its days; what is stated per unit does not."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.contracts import TokenClass
from metering.pricing.components.kinds import (
    Component,
    Flat,
    Graduated,
    Package,
    Percentage,
    PerUnit,
    Tier,
    Volume,
)
from metering.pricing.components.rating import Usage, exact_charge
from metering.subscriptions.prorating import component_share
from metering.subscriptions.terms import ComponentTerms, Meter

F = Fraction
TIERS = (
    Tier(up_to=F(100), unit_price=F(3), flat_fee=F(10)),
    Tier(up_to=F(1000), unit_price=F(2)),
    Tier(up_to=None, unit_price=F(1), flat_fee=F(7)),
)
MODELS = [
    PerUnit(unit_price=F(3), unit_size=F(10)),
    Graduated(tiers=TIERS),
    Volume(tiers=TIERS),
    Percentage(rate_percent=F(5), fee_per_event=F(1), included_events=20),
    Flat(flat_fee=F(30)),
]
PACKAGE = Package(package_size=F(100), package_price=F(9))
shares = st.fractions(F(1, 31), F(1), max_denominator=31)
quantities = st.integers(0, 3000)


def terms(component: Component) -> ComponentTerms:
    return ComponentTerms(
        id=1,
        position=1,
        name="Tokens",
        meter=Meter.TOKENS,
        models=frozenset({"demo-model"}),
        token_classes=frozenset({TokenClass.INPUT}),
        component=component,
    )


def component(model: Any, **around: Any) -> Component:
    return Component(model=model, **around)


@pytest.mark.parametrize("model", [*MODELS, PACKAGE])
def test_a_whole_period_is_as_it_was_stated(model: Any) -> None:
    whole = terms(component(model, included=F(5), minimum=F(1), maximum=F(900)))
    assert component_share(whole, F(1)) == whole


@settings(max_examples=30)
@given(shares, quantities, st.sampled_from(MODELS), st.booleans())
def test_a_share_of_the_use_costs_that_share(
    share: Fraction, quantity: int, model: Any, zero: bool
) -> None:
    """Half of the days with half of the use cost half of the whole, to the last bit."""
    whole = component(
        model,
        included=F(40),
        minimum=F(25),
        maximum=F(1500),
        charge_zero_usage=zero,
    )
    part = component_share(terms(whole), share).component
    used = Usage(F(quantity), 50)
    # Events cannot be counted in parts: their share of fees is seen below.
    less = Usage(quantity * share, 0)
    if isinstance(model, Percentage):
        used = Usage(F(quantity), 0)
    assert exact_charge(part, less) == share * exact_charge(whole, used)


def test_included_events_are_of_the_period() -> None:
    whole = component(MODELS[3])
    part = component_share(terms(whole), F(1, 3)).component
    assert exact_charge(part, Usage(F(0), 27)) == 27 - F(20, 3)


def test_a_package_stays_as_large_as_it_is() -> None:
    part = component_share(
        terms(component(PACKAGE, included=F(200))), F(1, 2)
    ).component
    assert exact_charge(part, Usage(F(100))) == 0
    assert exact_charge(part, Usage(F(101))) == 9
    assert exact_charge(part, Usage(F(201))) == 18


def test_the_marker_of_what_is_replaced() -> None:
    mine = terms(component(MODELS[0]))
    assert mine.replaces("demo-model", TokenClass.INPUT)
    assert not mine.replaces("demo-model", TokenClass.OUTPUT)
    assert not mine.replaces("other-model", TokenClass.INPUT)
