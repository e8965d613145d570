"""What a bill is made from: values that were read or frozen, never asked for. Pure.

A bill is for one period, and for those before it that closed without an invoice: their
plans' fees and commitments are due now too. Of a period that was billed before, only
use that came late is charged, by the terms of its day: what all of its use comes to,
less what it came to without what came late.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from kit.money import PICOS_PER_UNIT, minor_from_units, whole_picos
from metering.billing.lines import Line, LineKind, Posted
from metering.subscriptions.terms import Segment, Terms

# How many requests a segment had, by its first date and the served model.
Requests = Mapping[tuple[dt.date, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledPeriod:
    """A period whose plans count on a bill; `is_due` if it was never billed."""

    first_date: dt.date
    end_date: dt.date
    terms: Terms
    is_due: bool

    @property
    def name(self) -> str:
        """Return what lines call the period."""
        return period_text(self.first_date, self.end_date)


@dataclass(frozen=True, slots=True)
class CameTo:
    """What bills charged of a period: what its commitment counts, and what filled it.

    Both as it was charged, in minor units, and exactly.
    """

    counted_minor: int = 0
    counted_picos: int = 0
    filled_minor: int = 0
    filled_picos: int = 0

    def plus(self, other: "CameTo") -> "CameTo":
        """Return what both bills together charged."""
        return CameTo(
            self.counted_minor + other.counted_minor,
            self.counted_picos + other.counted_picos,
            self.filled_minor + other.filled_minor,
            self.filled_picos + other.filled_picos,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """All that lines are made from, but credit and tax.

    `postings` are charged now; `before` was charged earlier, of days of periods that
    are not due, and so were `requests_before`. `periods` are in order; the last one is
    the invoice's own. `came_to` is what earlier bills charged of periods that are not
    due and have a commitment; None for a bill from before late use reopened them.
    """

    currency: str
    first_date: dt.date
    postings: tuple[Posted, ...]
    before: tuple[Posted, ...] = ()
    periods: tuple[BilledPeriod, ...] = ()
    requests: Requests = field(default_factory=dict)
    requests_before: Requests = field(default_factory=dict)
    came_to: Mapping[dt.date, CameTo] | None = field(default_factory=dict)

    @property
    def reopens(self) -> bool:
        """Tell whether late use reopens fixed discounts and commitments."""
        return self.came_to is not None


@dataclass(slots=True)
class Bucket:
    """A part of what a segment comes to, which discounts take from.

    `models` are those whose use it is. Exact, in currency units.
    """

    amount: Fraction
    models: frozenset[str] = frozenset()
    is_fee: bool = False


@dataclass(slots=True)
class Share:
    """One segment of a period, or its days without a plan, and what they come to.

    Of a period that is not due, `buckets` hold all that was ever used in the segment,
    and `earlier` what was charged of it before.
    """

    period: BilledPeriod | None
    segment: Segment | None
    buckets: list[Bucket] = field(default_factory=list)
    earlier: list[Bucket] = field(default_factory=list)

    @property
    def is_due(self) -> bool:
        """Tell whether the plan's fees and fixed discounts are due with it."""
        return self.period is not None and self.period.is_due


@dataclass(frozen=True, slots=True)
class Charge:
    """A line, and the first date of the period whose use or fee it is, if of one."""

    line: Line
    owner: dt.date | None


def charged(
    kind: LineKind,
    key: str,
    description: str,
    amount: Fraction,
    *,
    currency: str,
    quantity: int = 1,
    document: Mapping[str, object] | None = None,
) -> Line:
    """Make a line of an exact amount of currency units, rounded once."""
    told = dict(document or {})
    if (amount * PICOS_PER_UNIT).denominator != 1:
        # Between two picos: the line's sum is rounded, this is not.
        told["exact"] = exact_text(amount)
    return Line(
        kind=kind,
        key=key,
        description=description,
        exact_picos=whole_picos(amount),
        amount_minor=minor_from_units(amount, currency),
        quantity=quantity,
        document=told,
    )


def exact_text(number: Fraction) -> str:
    """Write a number exactly: as an integer, or as a fraction such as `1/3`."""
    return str(number)


def days_text(first_date: dt.date, end_date: dt.date) -> str:
    """Write half-open dates with the last day that is in them."""
    return f"{first_date} to {end_date - dt.timedelta(days=1)}"


def period_text(first_date: dt.date, end_date: dt.date) -> str:
    """Name a period by its month, or by its days where it is no calendar month."""
    if first_date.day == end_date.day == 1:
        return f"{first_date:%Y-%m}"
    return days_text(first_date, end_date)
