"""Tell whether a component can only ever charge whole picos. Pure.

Rating takes any decimal. What is published must be finer in nothing than the books
are: with whole tokens, each charge and each marginal is then an integer of picos. A
percentage is the exception: a share of an amount ends where it ends.

Failure: `InvalidRequest` whose `param` is the field that is too fine.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import assert_never

from kit.errors import InvalidRequest
from kit.money import PICOS_PER_UNIT
from metering.pricing.components.kinds import (
    ZERO,
    Component,
    Flat,
    Graduated,
    Model,
    Package,
    Percentage,
    PerUnit,
    Volume,
)


def require_whole_picos(component: Component) -> None:
    """Refuse a component that whole units could make charge a part of a pico."""
    amounts = [
        *_amounts(component.model),
        ("minimum", component.minimum),
        ("maximum", component.maximum or ZERO),
    ]
    for field, amount in amounts:
        if (amount * PICOS_PER_UNIT).denominator != 1:
            raise InvalidRequest(
                "it is finer than a pico, 0.000000000001, for a single unit: round it "
                "or give the price of fewer units",
                param=field,
            )
    for field, units in (*_units(component.model), ("included", component.included)):
        if units.denominator != 1:
            raise InvalidRequest("it must be a whole number of units", param=field)


def _amounts(model: Model) -> Iterator[tuple[str, Fraction]]:
    """Return all that is charged for a single unit, package, event or period."""
    match model:
        case PerUnit():
            yield "unit_price", model.unit_price / model.unit_size
        case Graduated() | Volume():
            for index, tier in enumerate(model.tiers):
                price = tier.unit_price / model.unit_size
                yield f"tiers[{index}].unit_price", price
                yield f"tiers[{index}].flat_fee", tier.flat_fee
        case Package():
            yield "package_price", model.package_price
        case Percentage():
            yield "fee_per_event", model.fee_per_event
        case Flat():
            yield "flat_fee", model.flat_fee
        case _:
            assert_never(model)


def _units(model: Model) -> Iterator[tuple[str, Fraction]]:
    """Return all places where a tier ends."""
    if isinstance(model, Graduated | Volume):
        for index, tier in enumerate(model.tiers):
            yield f"tiers[{index}].up_to", tier.up_to or ZERO
