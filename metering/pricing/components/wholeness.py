"""Tell whether a component may be published: in whole picos, and in reach. Pure.

Rating takes any decimal. What is published must be finer in nothing than the books
are: with whole tokens, each charge and each marginal is then an integer of picos. A
percentage is the exception: a share of an amount ends where it ends. And no published
number may be so large that what it charges cannot be kept: nobody could close a period
with it, for a published version never changes.

Failure: `InvalidRequest` whose `param` is the field that is too fine, or too large.
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

# Fifteen digits, as of any other stated amount; and a single unit's price, of which
# there are many.
AMOUNT_MAX = Fraction(10**15 - 1)
UNIT_PRICE_MAX = Fraction(10**6)
UNITS_MAX = Fraction(10**18)
PERCENT_MAX = Fraction(10_000)


def require_in_reach(component: Component) -> None:
    """Refuse a component whose numbers are too large for any invoice."""
    model = component.model
    bounds = [
        *((field, amount, AMOUNT_MAX) for field, amount in _stated(component)),
        *((field, price, UNIT_PRICE_MAX) for field, price in _unit_prices(model)),
        *((field, units, UNITS_MAX) for field, units in _units(model)),
        ("included", component.included, UNITS_MAX),
    ]
    if isinstance(model, Percentage):
        bounds.append(("rate_percent", model.rate_percent, PERCENT_MAX))
    for field, number, most in bounds:
        if number > most:
            raise InvalidRequest(
                f"it is too large: give {int(most):,} at most", param=field
            )


def require_whole_picos(component: Component) -> None:
    """Refuse a component that whole units could make charge a part of a pico."""
    for field, amount in _stated(component):
        if (amount * PICOS_PER_UNIT).denominator != 1:
            raise InvalidRequest(
                "it is finer than a pico, 0.000000000001, for a single unit: round it "
                "or give the price of fewer units",
                param=field,
            )
    for field, units in (*_units(component.model), ("included", component.included)):
        if units.denominator != 1:
            raise InvalidRequest("it must be a whole number of units", param=field)


def _stated(component: Component) -> Iterator[tuple[str, Fraction]]:
    """Return all amounts of money that a component states."""
    yield from _amounts(component.model)
    yield "minimum", component.minimum
    yield "maximum", component.maximum or ZERO


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


def _unit_prices(model: Model) -> Iterator[tuple[str, Fraction]]:
    """Return what a single unit costs, fees left aside."""
    match model:
        case Package():
            yield "package_price", model.package_price / model.package_size
        case PerUnit() | Graduated() | Volume():
            for field, amount in _amounts(model):
                if field.endswith("unit_price"):
                    yield field, amount
        case Percentage() | Flat():
            return
        case _:
            assert_never(model)


def _units(model: Model) -> Iterator[tuple[str, Fraction]]:
    """Return all places where a tier ends."""
    if isinstance(model, Graduated | Volume):
        for index, tier in enumerate(model.tiers):
            yield f"tiers[{index}].up_to", tier.up_to or ZERO
