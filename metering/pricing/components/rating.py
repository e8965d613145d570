"""Rating of a period: component x quantity = parts, exact sum and amount. Pure.

A component is a function of the period's whole quantity. What one more batch adds is
the difference of that function after and before it, so the sum over all batches is the
function of the total: order, batching and splitting cannot change it. Everything is
integers and fractions; the amount is rounded once, at the end, by `kit.money`.

Failure: a negative total is refused with `InvalidRequest`. Owns: the formulas.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import assert_never

from kit.errors import InvalidRequest
from kit.money import PICOS_PER_UNIT, minor_from_units
from metering.pricing.components.kinds import (
    ZERO,
    Component,
    Flat,
    Graduated,
    Model,
    Package,
    Percentage,
    PerUnit,
    Tier,
    Volume,
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used so far, or in one batch; a correction's batch may be negative.

    `events` are counted for `Percentage.fee_per_event` alone.
    """

    quantity: Fraction
    events: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.quantity + other.quantity, self.events + other.events)


NOTHING = Usage(ZERO)


class PartKind(StrEnum):
    """Why a part of a line is charged."""

    UNITS = "units"
    FLAT_FEE = "flat_fee"
    PACKAGES = "packages"
    PERCENTAGE = "percentage"
    EVENTS = "events"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"


@dataclass(frozen=True, slots=True)
class Part:
    """One reason of a charge: how many of what, and what they cost together.

    `tier` is counted from one. The part `MAXIMUM` is what was cut off: zero or less.
    """

    kind: PartKind
    quantity: Fraction
    amount: Fraction
    tier: int | None = None


@dataclass(frozen=True, slots=True)
class Rated:
    """What a component makes of a period: `exact` is the sum of its parts."""

    parts: tuple[Part, ...]
    exact: Fraction
    amount_minor: int
    currency: str

    @property
    def exact_picos(self) -> int | None:
        """Return the exact sum in picos; None where it lies between two of them."""
        picos = self.exact * PICOS_PER_UNIT
        return picos.numerator if picos.denominator == 1 else None


def rate(component: Component, usage: Usage, *, currency: str) -> Rated:
    """Rate a whole period's usage; the amount is the exact sum, rounded half up.

    Raises `InvalidRequest` for a usage below zero.
    """
    parts = parts_of(component, usage)
    exact = sum((part.amount for part in parts), ZERO)
    return Rated(parts, exact, minor_from_units(exact, currency), currency)


def exact_charge(component: Component, usage: Usage) -> Fraction:
    """Return what the usage costs, in currency units, without any rounding."""
    return sum((part.amount for part in parts_of(component, usage)), ZERO)


def marginal(component: Component, *, before: Usage, batch: Usage) -> Fraction:
    """Return what `batch` adds to the charge of what was used before it.

    Together with `exact_charge(component, NOTHING)`, which is due without any use, the
    marginals of all batches are the charge of their sum. Negative for a correction, and
    where a `Volume` falls to a cheaper tier.
    """
    return exact_charge(component, before + batch) - exact_charge(component, before)


def parts_of(component: Component, usage: Usage) -> tuple[Part, ...]:
    """Return the reasons of the charge, in order: the model's, then the bounds'."""
    if usage.quantity < 0 or usage.events < 0:
        raise InvalidRequest(
            "a period's usage cannot be below zero: adjust the period it came from",
            param="quantity",
        )
    billable = max(ZERO, usage.quantity - component.included)
    # Any use beyond what is included enters the first tier; so does none, if asked to.
    is_entered = billable > 0 or component.charge_zero_usage
    parts = tuple(_model_parts(component.model, billable, usage.events, is_entered))
    total = sum((part.amount for part in parts), ZERO)
    if total < component.minimum:
        return (*parts, Part(PartKind.MINIMUM, ZERO, component.minimum - total))
    if component.maximum is not None and total > component.maximum:
        return (*parts, Part(PartKind.MAXIMUM, ZERO, component.maximum - total))
    return parts


def _model_parts(
    model: Model, billable: Fraction, events: int, is_entered: bool
) -> Iterator[Part]:
    match model:
        case PerUnit():
            amount = billable * model.unit_price / model.unit_size
            yield Part(PartKind.UNITS, billable, amount)
        case Package():
            begun = Fraction(math.ceil(billable / model.package_size))
            yield Part(PartKind.PACKAGES, begun, begun * model.package_price)
        case Percentage():
            share = billable * model.rate_percent / 100
            yield Part(PartKind.PERCENTAGE, billable, share)
            charged = Fraction(max(0, events - model.included_events))
            yield Part(PartKind.EVENTS, charged, charged * model.fee_per_event)
        case Flat():
            if is_entered:
                yield Part(PartKind.FLAT_FEE, Fraction(1), model.flat_fee)
        case Graduated():
            if is_entered:
                yield from _graduated(model, billable)
        case Volume():
            if is_entered:
                yield from _volume(model, billable)
        case _:
            assert_never(model)


def _graduated(model: Graduated, billable: Fraction) -> Iterator[Part]:
    below = ZERO
    for number, tier in enumerate(model.tiers, start=1):
        # The first tier has been entered, or we would not be here.
        if billable <= below and number > 1:
            return
        end = billable if tier.up_to is None else min(billable, tier.up_to)
        yield from _tier_parts(tier, number, end - below, model.unit_size)
        below = end


def _volume(model: Volume, billable: Fraction) -> Iterator[Part]:
    for number, tier in enumerate(model.tiers, start=1):
        if tier.up_to is None or billable <= tier.up_to:
            yield from _tier_parts(tier, number, billable, model.unit_size)
            return


def _tier_parts(
    tier: Tier, number: int, units: Fraction, unit_size: Fraction
) -> Iterator[Part]:
    amount = units * tier.unit_price / unit_size
    yield Part(PartKind.UNITS, units, amount, number)
    if tier.flat_fee:
        yield Part(PartKind.FLAT_FEE, Fraction(1), tier.flat_fee, number)
