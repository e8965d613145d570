"""Compose a bill: from use and terms to charges, and on to what is to be paid. Pure.

The order is fixed, and is that of `LineKind`: use, components, fees; discounts; what
fills up a commitment; credit; tax. The first half is `charges_of`. What it comes to
decides how much credit is drawn, which is a fact of the ledger; `complete` takes that
and the tax rates, and makes the lines.

The same facts make the same lines in the same order, whatever order they came in.
Failure: `LineError` for what makes no bill.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from kit.money import PICOS_PER_UNIT, minor_from_picos, picos_from_minor
from metering.billing.composing.bill import (
    Bill,
    BilledPeriod,
    Bucket,
    CameTo,
    Charge,
    Share,
)
from metering.billing.composing.components import component_line, is_replaced
from metering.billing.composing.plans import (
    came_to,
    commitment_line,
    discount_lines,
    fee_discount_lines,
    fee_line,
)
from metering.billing.composing.use import require_sound, use_lines
from metering.billing.lines import Line, LineError, LineKind, Lines, Posted
from metering.ledger.allotting import Part
from metering.subscriptions.terms import Segment
from metering.taxes.rating import Treatment, tax_lines

# As far as a minor unit is counted.
MINOR_MAX = 2**63 - 1
_ORDER = {kind: place for place, kind in enumerate(LineKind)}


@dataclass(frozen=True, slots=True)
class CreditTaken:
    """What a grant pays of a bill; negative where that was charged back since."""

    grant_id: int
    name: str
    picos: int
    model: str | None


@dataclass(frozen=True, slots=True)
class Charges:
    """What a bill comes to before credit and tax, and which of it credit may pay."""

    currency: str
    lines: tuple[Line, ...]
    parts: tuple[Part, ...]
    # Of each period, by its first date.
    came_to: Mapping[dt.date, CameTo] = field(default_factory=dict[dt.date, CameTo])

    @property
    def exact_picos(self) -> int:
        """Return what it comes to, exactly."""
        return sum(line.exact_picos for line in self.lines)

    @property
    def amount_minor(self) -> int:
        """Return what it comes to as it is charged."""
        return sum(line.amount_minor for line in self.lines)


def charges_of(bill: Bill) -> Charges:
    """Make the lines of a bill up to its subtotal."""
    for posting in (*bill.postings, *bill.before):
        require_sound(posting, bill.currency)
    _require_currency(bill)
    linear = _linear(bill, bill.postings)
    made = [
        Charge(line, _own(bill) if adjusts is None else adjusts)
        for adjusts, line in use_lines(
            linear, currency=bill.currency, first_date=bill.first_date
        )
    ]
    shares = _shares(bill, linear)
    made += _of_plans(bill, shares)
    made += _commitments(bill, made)
    lines = sorted((charge.line for charge in made), key=lambda line: _ORDER[line.kind])
    if sum(abs(line.amount_minor) for line in lines) > MINOR_MAX:
        raise LineError("it comes to more than an invoice can ask for")
    return Charges(bill.currency, tuple(lines), _parts(lines, shares), came_to(made))


def top_up_charges(amount_minor: int, *, reference: str, currency: str) -> Charges:
    """Make the one line of an invoice for credit to be paid, before tax."""
    line = Line(
        kind=LineKind.TOP_UP,
        key=f"top_up/{reference}"[:200],
        description=f"Credit, {reference}",
        exact_picos=picos_from_minor(amount_minor, currency),
        amount_minor=amount_minor,
    )
    return Charges(currency, (line,), ())


def complete(
    charges: Charges, *, credit: Sequence[CreditTaken], treatment: Treatment
) -> Lines:
    """Take credit off what a bill comes to, and put tax on what is left."""
    paid = _credit_lines(charges, credit)
    taxable = charges.amount_minor + sum(line.amount_minor for line in paid)
    taxes = [
        Line(
            kind=LineKind.TAX,
            key=f"tax/{tax.rate.id}",
            description=f"{tax.rate.name}, {_percent(tax.rate.percent)} %",
            exact_picos=tax.exact_picos,
            amount_minor=tax.amount_minor,
            document={
                "rate": tax.rate.id,
                "percent": _percent(tax.rate.percent),
                "taxable_minor": str(tax.taxable_minor),
            },
        )
        for tax in tax_lines(taxable, rates=treatment.rates, currency=charges.currency)
    ]
    return Lines(charges.currency, (*charges.lines, *paid, *taxes))


def _of_plans(bill: Bill, shares: Sequence[Share]) -> list[Charge]:
    """Charge components and fees of every segment, then take its discounts off."""
    made: list[Charge] = []
    for share in shares:
        segment, period = share.segment, share.period
        if segment is None or period is None:
            continue
        owner = period.first_date
        now = [each for each in bill.postings if segment.holds(each.date)]
        before = [each for each in bill.before if segment.holds(each.date)]
        for component in segment.components:
            line = component_line(bill, share, component, now=now, before=before)
            if line is not None:
                made.append(Charge(line, owner))
        if segment.fee is not None and segment.fee.amount:
            share.buckets.append(Bucket(segment.fee.amount, is_fee=True))
            if period.is_due:
                line = fee_line(segment.fee, currency=bill.currency)
                made.append(Charge(line, owner))
            else:
                share.earlier.append(Bucket(segment.fee.amount, is_fee=True))
        made += [Charge(line, owner) for line in discount_lines(bill, share)]
    for period in bill.periods:
        if period.is_due:
            made += _of_other_fees(period, bill.currency)
    return made


def _of_other_fees(period: BilledPeriod, currency: str) -> list[Charge]:
    """Charge the fees that are for days of no segment: in advance, or given back."""
    made: list[Charge] = []
    for fee in period.terms.fees:
        if not fee.amount:
            continue
        bucket = Bucket(fee.amount, is_fee=True)
        lines = [
            fee_line(fee, currency=currency),
            *fee_discount_lines(fee, bucket, currency=currency),
        ]
        made += [Charge(line, period.first_date) for line in lines]
    return made


def _commitments(bill: Bill, made: Sequence[Charge]) -> list[Charge]:
    """Fill up to the commitments of what is due, and anew of what late use reopens."""
    found: list[Charge] = []
    for period in bill.periods:
        before = (bill.came_to or {}).get(period.first_date)
        if period.is_due or before is not None:
            line = commitment_line(period, made, before=before, currency=bill.currency)
            if line is not None:
                found.append(Charge(line, period.first_date))
    return found


def _shares(bill: Bill, linear: Sequence[Posted]) -> list[Share]:
    """Lay linear use into the segments of its days, in buckets by model."""
    shares = [
        Share(period, segment)
        for period in bill.periods
        for segment in period.terms.segments
    ]
    shares.append(Share(None, None))
    earlier = _linear(bill, bill.before)
    for share, postings in _placed(shares, [*earlier, *linear]):
        share.buckets += _by_model(postings)
    for share, postings in _placed(shares, earlier):
        share.earlier += _by_model(postings)
    return shares


def _placed(
    shares: Sequence[Share], postings: Iterable[Posted]
) -> list[tuple[Share, list[Posted]]]:
    """Return the postings of each segment's days; those of none are in the last one."""
    placed: list[tuple[Share, list[Posted]]] = [(share, []) for share in shares]
    for posting in postings:
        place = next(
            (
                number
                for number, share in enumerate(shares)
                if share.segment is not None and share.segment.holds(posting.date)
            ),
            -1,
        )
        placed[place][1].append(posting)
    return placed


def _by_model(postings: Iterable[Posted]) -> list[Bucket]:
    sums: dict[str, int] = defaultdict(int)
    for posting in postings:
        sums[posting.price.model] += posting.charge_picos
    return [
        Bucket(Fraction(picos, PICOS_PER_UNIT), frozenset({model}))
        for model, picos in sorted(sums.items())
    ]


def _linear(bill: Bill, postings: Iterable[Posted]) -> list[Posted]:
    """Return the postings that are charged at their linear price."""
    return [
        posting
        for posting in postings
        if not is_replaced(posting, _segment_of(bill, posting.date))
    ]


def _parts(lines: Sequence[Line], shares: Sequence[Share]) -> tuple[Part, ...]:
    """Say what credit may pay: use by model after discounts, then all the rest."""
    by_model: dict[str, Fraction] = defaultdict(Fraction)
    for share in shares:
        for sign, buckets in ((1, share.buckets), (-1, share.earlier)):
            for bucket in buckets:
                if len(bucket.models) == 1:
                    (model,) = bucket.models
                    by_model[model] += sign * bucket.amount
    parts = [
        Part(model, int(amount * PICOS_PER_UNIT))
        for model, amount in sorted(by_model.items())
    ]
    rest = sum(line.exact_picos for line in lines) - sum(part.picos for part in parts)
    whole = (*parts, Part(None, rest))
    return tuple(part for part in whole if part.picos)


def _credit_lines(charges: Charges, credit: Sequence[CreditTaken]) -> list[Line]:
    """Take credit off: all of what is charged where it pays for all that was used.

    Each grant's part is what the running sum, rounded, grows by: so the parts add up to
    what is taken together.
    """
    total = sum(each.picos for each in credit)
    if total == charges.exact_picos:
        whole_minor = charges.amount_minor
    else:
        whole_minor = min(
            minor_from_picos(total, charges.currency), charges.amount_minor
        )
    lines: list[Line] = []
    picos = taken_minor = 0
    for number, each in enumerate(credit, 1):
        picos += each.picos
        up_to = minor_from_picos(picos, charges.currency)
        up_to = whole_minor if number == len(credit) else min(up_to, whole_minor)
        lines.append(
            Line(
                kind=LineKind.CREDIT,
                key=f"credit/{each.grant_id}/{each.model or ''}",
                description=f"Credit, {each.name}",
                model=each.model or "",
                exact_picos=-each.picos,
                amount_minor=taken_minor - up_to,
                document={"grant": each.grant_id},
            )
        )
        taken_minor = up_to
    return lines


def _segment_of(bill: Bill, date: dt.date) -> Segment | None:
    for period in bill.periods:
        if period.first_date <= date < period.end_date:
            return period.terms.segment_of(date)
    return None


def _own(bill: Bill) -> dt.date | None:
    return bill.periods[-1].first_date if bill.periods else None


def _require_currency(bill: Bill) -> None:
    for period in bill.periods:
        plans = [segment.plan for segment in period.terms.segments]
        for plan in [*plans, *(fee.plan for fee in period.terms.fees)]:
            if plan.currency != bill.currency:
                raise LineError(
                    f"the plan {plan.name} is priced in {plan.currency}, and an "
                    f"invoice in {bill.currency} cannot charge it"
                )


def _percent(percent: object) -> str:
    text = f"{percent:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
