"""What subscriptions make due in a billing period: segments, and fees by the day. Pure.

A period is cut into segments wherever another plan version begins to hold. All that a
plan states for a whole period (fee, commitment, included quantities, tier bounds,
flat fees, minimums, fixed discounts) counts in a segment by the share of its days; what
is stated per unit does not change. Segments of one version that touch are one, so how
often a subscription was written anew changes nothing.

All amounts are exact fractions of currency units; who makes lines of them rounds.
Failure: none; a period without a subscription has no segments and owes nothing.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from kit.contracts import TokenClass
from metering.pricing.components.kinds import Component


class Meter(StrEnum):
    """What a component counts.

    TOKENS of some classes, which it charges in place of their linear price. REQUESTS,
    and CHARGE, what linear prices make of use that no component takes, in currency
    units: both are charged beside the linear price.
    """

    TOKENS = "tokens"
    REQUESTS = "requests"
    CHARGE = "charge"


class DiscountScope(StrEnum):
    """What a discount takes from: what use costs, the plan's fee, or both."""

    USAGE = "usage"
    FEES = "fees"
    ALL = "all"


class FeeKind(StrEnum):
    """Why a fee stands in a period.

    PERIOD pays for days of it. ADVANCE pays for the whole period after it. UNUSED gives
    back what was paid in advance for days on which the plan was no longer held.
    """

    PERIOD = "period"
    ADVANCE = "advance"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentTerms:
    """A component as it holds in a segment, and the use that it counts.

    `models` are served models by name, none of them meaning all; `token_classes` are
    those of a meter of tokens.
    """

    id: int
    position: int
    name: str
    meter: Meter
    models: frozenset[str]
    token_classes: frozenset[TokenClass]
    component: Component

    def counts(self, model: str) -> bool:
        """Tell whether use of a model is counted."""
        return not self.models or model in self.models

    def replaces(self, model: str, token_class: TokenClass) -> bool:
        """Tell whether these tokens are charged here, not by their linear price."""
        return (
            self.meter is Meter.TOKENS
            and token_class in self.token_classes
            and self.counts(model)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountTerms:
    """A discount as it holds in a segment: a percentage, or an amount of units.

    Exactly one of `percent` (10 is a tenth) and `amount` is given. `models` keep it to
    their use, none meaning all; a discount with models never takes from fees.
    """

    id: int
    position: int
    name: str
    scope: DiscountScope
    models: frozenset[str]
    percent: Fraction | None = None
    amount: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTerms:
    """A published plan version, as it holds for a whole period; amounts in units."""

    version_id: int
    name: str
    number: int
    currency: str
    fee: Fraction = Fraction(0)
    fee_in_advance: bool = False
    commitment: Fraction = Fraction(0)
    components: tuple[ComponentTerms, ...] = ()
    discounts: tuple[DiscountTerms, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One subscription: a plan version, half-open dates, and when they were known.

    `agreed_at` is when it was made, `end_agreed_at` when its end was last moved.
    """

    plan: PlanTerms
    starts_on: dt.date
    ends_on: dt.date | None
    agreed_at: dt.datetime
    end_agreed_at: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """A fee for days from `first_date` up to `end_date`; UNUSED ones are negative.

    `share` is the part of a whole period that they are, with the sign of `amount`,
    which is the version's fee times it. `discounts` are those that take from a fee
    outside of a segment, percentages all; within one the segment's do.
    """

    kind: FeeKind
    plan: PlanTerms
    first_date: dt.date
    end_date: dt.date
    share: Fraction
    amount: Fraction
    discounts: tuple[DiscountTerms, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Days of one period under one plan version; everything in it is prorated.

    `fee` is None where it was paid in advance, or is nothing.
    """

    plan: PlanTerms
    first_date: dt.date
    end_date: dt.date
    share: Fraction
    fee: Fee | None
    commitment: Fraction
    components: tuple[ComponentTerms, ...]
    discounts: tuple[DiscountTerms, ...]

    def holds(self, date: dt.date) -> bool:
        """Tell whether a billing day lies in the segment."""
        return self.first_date <= date < self.end_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """All that the plans of a period make due at its close.

    Segments are in order of their days and never overlap; between them the tenant has
    no plan. `fees` are those of no segment: in advance, and given back.
    """

    segments: tuple[Segment, ...] = ()
    fees: tuple[Fee, ...] = ()

    @property
    def commitment(self) -> Fraction:
        """Return what is at least due for the period, over all its segments."""
        return sum((each.commitment for each in self.segments), Fraction(0))

    def segment_of(self, date: dt.date) -> Segment | None:
        """Return the segment that a billing day lies in, if there is one."""
        return next((each for each in self.segments if each.holds(date)), None)


NO_TERMS = Terms()
