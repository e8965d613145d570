"""The period components: prices that look at a whole period's quantity. Pure.

Unlike the linear price of an event they need the total (tiers, packages, an included
quantity, a minimum), so they exist on postpaid plans only, and never draw a budget.
All numbers are fractions of currency units; all are zero or more.

Failure: a component that makes no sense is refused when it is made, with an
`InvalidRequest` whose `param` is the field. Owns: what each field means.
"""

from dataclasses import dataclass
from fractions import Fraction

from kit.errors import InvalidRequest

TIERS_MAX = 100
ZERO = Fraction(0)
ONE = Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerUnit:
    """`unit_price` for every `unit_size` units, and its share for a part of them."""

    unit_price: Fraction
    unit_size: Fraction = ONE

    def __post_init__(self) -> None:
        _require_positive(self.unit_size, "unit_size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """What units cost up to and including `up_to` of them; None has no end."""

    up_to: Fraction | None
    unit_price: Fraction = ZERO
    flat_fee: Fraction = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Graduated:
    """Each unit at the price of the tier it lies in; fees of the tiers entered.

    `unit_size` says how many units a tier's price is for; `up_to` counts single ones.
    """

    tiers: tuple[Tier, ...]
    unit_size: Fraction = ONE

    def __post_init__(self) -> None:
        _require_positive(self.unit_size, "unit_size")
        _require_order(self.tiers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """All units at the price of the tier that the whole quantity falls in, and its fee.

    The only model whose total may fall when the quantity grows.
    """

    tiers: tuple[Tier, ...]
    unit_size: Fraction = ONE

    def __post_init__(self) -> None:
        _require_positive(self.unit_size, "unit_size")
        _require_order(self.tiers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """`package_price` for every package of `package_size` units that was begun."""

    package_size: Fraction
    package_price: Fraction

    def __post_init__(self) -> None:
        _require_positive(self.package_size, "package_size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentage:
    """A share of the quantity, which is an amount of money, and a fee for each event.

    `rate_percent` of 2.9 is 2.9 %. `included_events` bear no fee; a part of a period
    includes a part of them.
    """

    rate_percent: Fraction
    fee_per_event: Fraction = ZERO
    included_events: int | Fraction = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """One fee for a period with any use, whatever its quantity.

    It is a graduated price of one tier without a unit price. What is due without use
    is a plan's fixed fee, or this with `charge_zero_usage`.
    """

    flat_fee: Fraction


Model = PerUnit | Graduated | Volume | Package | Percentage | Flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A model, and what goes around any of them.

    The first `included` units are free; the model sees only the others. What it makes
    of them is raised to `minimum`, with or without use, and cut to `maximum`. With
    `charge_zero_usage` the first tier's flat fee is due though nothing is left to
    charge; models without such a fee take no notice of it.
    """

    model: Model
    included: Fraction = ZERO
    minimum: Fraction = ZERO
    maximum: Fraction | None = None
    charge_zero_usage: bool = False

    def __post_init__(self) -> None:
        if self.maximum is not None and self.maximum < self.minimum:
            raise InvalidRequest(
                "the maximum is below the minimum: raise it or leave one out",
                param="maximum",
            )


def _require_positive(size: Fraction, field: str) -> None:
    if size <= 0:
        raise InvalidRequest("it must be more than zero", param=field)


def _require_order(tiers: tuple[Tier, ...]) -> None:
    """Refuse tiers that do not cover every quantity exactly once."""
    if not tiers:
        raise InvalidRequest("give at least one tier", param="tiers")
    if len(tiers) > TIERS_MAX:
        raise InvalidRequest(f"give at most {TIERS_MAX} tiers", param="tiers")
    *bounded, last = tiers
    if last.up_to is not None:
        raise InvalidRequest(
            "the last tier must have no end: write null",
            param=f"tiers[{len(bounded)}].up_to",
        )
    below = ZERO
    for index, tier in enumerate(bounded):
        if tier.up_to is None:
            raise InvalidRequest(
                "only the last tier may have no end", param=f"tiers[{index}].up_to"
            )
        if tier.up_to <= below:
            raise InvalidRequest(
                "it must be more than where the tier before ends, and more than zero: "
                "put the tiers in rising order",
                param=f"tiers[{index}].up_to",
            )
        below = tier.up_to
