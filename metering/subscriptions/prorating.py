"""Prorate what a plan states for a whole period to a share of it. Pure.

What is stated per unit stays: a token costs the same on every day. What is stated per
period scales: included units, the bounds of tiers, flat fees, minimum and maximum,
fixed discounts. All exactly, in fractions: the shares of a period's parts add up to it.

Failure: none; a share is more than zero and at most one.
"""

from dataclasses import replace
from fractions import Fraction
from typing import assert_never

from metering.pricing.components.kinds import (
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
from metering.subscriptions.terms import ComponentTerms, DiscountTerms


def component_share(terms: ComponentTerms, share: Fraction) -> ComponentTerms:
    """Return a component as it holds for a share of a period."""
    whole = terms.component
    part = Component(
        model=_model(whole.model, share),
        included=whole.included * share,
        minimum=whole.minimum * share,
        maximum=None if whole.maximum is None else whole.maximum * share,
        charge_zero_usage=whole.charge_zero_usage,
    )
    return replace(terms, component=part)


def discount_share(terms: DiscountTerms, share: Fraction) -> DiscountTerms:
    """Return a discount as it holds for a share of a period."""
    if terms.amount is None:
        return terms
    return replace(terms, amount=terms.amount * share)


def _model(model: Model, share: Fraction) -> Model:
    match model:
        case PerUnit() | Package():
            return model
        case Graduated() | Volume():
            return replace(
                model, tiers=tuple(_tier(tier, share) for tier in model.tiers)
            )
        case Percentage():
            return replace(model, included_events=model.included_events * share)
        case Flat():
            return Flat(flat_fee=model.flat_fee * share)
        case _:
            assert_never(model)


def _tier(tier: Tier, share: Fraction) -> Tier:
    return Tier(
        up_to=None if tier.up_to is None else tier.up_to * share,
        unit_price=tier.unit_price,
        flat_fee=tier.flat_fee * share,
    )
