"""What a plan adds to use, and takes from it: fees, discounts, the commitment. Pure.

Discounts are taken in the order of their positions, each of what those before it left.
What comes late is discounted by the terms of its day: by what is taken off all of that
period's use, less what was taken off it before.

The commitment is raised to last: what a due period comes to after discounts is filled
up to it, in what is charged, so that the buyer sees the very sum that was agreed on.
Late use of an earlier period neither counts towards it nor is swallowed by it. It
counts towards the commitment of its own: what filled that up shrinks by as much, or
grows where use is taken back.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from kit.money import minor_from_units, whole_picos
from metering.billing.composing.bill import (
    Bill,
    BilledPeriod,
    Bucket,
    CameTo,
    Charge,
    Share,
    charged,
    days_text,
    exact_text,
)
from metering.billing.lines import Line, LineKind
from metering.subscriptions.terms import DiscountScope, DiscountTerms, Fee, FeeKind

_FEE_NAMES = {
    FeeKind.PERIOD: "fee",
    FeeKind.ADVANCE: "fee in advance",
    FeeKind.UNUSED: "unused part of the fee",
}


def fee_line(fee: Fee, *, currency: str) -> Line:
    """Charge a fee, or give back what of it was not used."""
    days = days_text(fee.first_date, fee.end_date)
    return charged(
        LineKind.FEE,
        f"fee/{fee.kind}/{fee.first_date}/{fee.plan.version_id}",
        f"{fee.plan.name}, {_FEE_NAMES[fee.kind]}, {days}",
        fee.amount,
        currency=currency,
        document={
            "fee": str(fee.kind),
            "plan_version": fee.plan.version_id,
            "first_date": str(fee.first_date),
            "end_date": str(fee.end_date),
            "share": exact_text(fee.share),
        },
    )


def discount_lines(bill: Bill, share: Share) -> Iterator[Line]:
    """Take a segment's discounts off its buckets, and tell what each took."""
    segment, period = share.segment, share.period
    if segment is None or period is None:
        return
    late = "" if share.is_due else f", adjustment of {period.name}"
    for discount in segment.discounts:
        if discount.percent is None and not share.is_due and not bill.reopens:
            continue
        taken = _take(discount, share.buckets) - _take(discount, share.earlier)
        if taken:
            key = f"discount/{segment.first_date}/{discount.id}"
            yield charged(
                LineKind.DISCOUNT,
                f"{key}/late" if late else key,
                f"{segment.plan.name}, {discount.name}{late}",
                -taken,
                currency=bill.currency,
                document=_discount_document(discount, segment.plan.version_id),
            )


def fee_discount_lines(fee: Fee, bucket: Bucket, *, currency: str) -> Iterator[Line]:
    """Take its own discounts off a fee that is of no segment."""
    for discount in fee.discounts:
        taken = _take(discount, [bucket])
        if taken:
            key = f"discount/{fee.kind}/{fee.first_date}/{discount.id}"
            days = days_text(fee.first_date, fee.end_date)
            yield charged(
                LineKind.DISCOUNT,
                key,
                f"{fee.plan.name}, {discount.name}, {_FEE_NAMES[fee.kind]}, {days}",
                -taken,
                currency=currency,
                document=_discount_document(discount, fee.plan.version_id)
                | {"fee": str(fee.kind)},
            )


def commitment_line(
    period: BilledPeriod,
    charges: Iterable[Charge],
    *,
    before: CameTo | None = None,
    currency: str,
) -> Line | None:
    """Fill what a period comes to up to its plans' commitment.

    `before` is what earlier bills charged of a period that is not due: the line is what
    fills it up now, less what did then.
    """
    commitment = period.terms.commitment
    if not commitment:
        return None
    was = before or CameTo()
    counted = [charge.line for charge in charges if charge.owner == period.first_date]
    missing_minor = minor_from_units(commitment, currency) - was.counted_minor
    missing_minor -= sum(line.amount_minor for line in counted)
    missing_picos = whole_picos(commitment) - was.counted_picos
    missing_picos -= sum(line.exact_picos for line in counted)
    if missing_minor <= 0:
        missing_minor = missing_picos = 0
    amount_minor = missing_minor - was.filled_minor
    exact_picos = max(0, missing_picos) - was.filled_picos
    if not amount_minor and not exact_picos:
        return None
    key = f"commitment/{period.first_date}"
    days = days_text(period.first_date, period.end_date)
    return Line(
        kind=LineKind.COMMITMENT,
        key=key if before is None else f"{key}/late",
        description=f"Minimum commitment, {days}"
        + ("" if before is None else ", adjustment"),
        exact_picos=exact_picos,
        amount_minor=amount_minor,
        document={"commitment": exact_text(commitment)},
    )


def came_to(charges: Iterable[Charge]) -> dict[dt.date, CameTo]:
    """Return what a bill charges of each period."""
    sums: dict[dt.date, CameTo] = {}
    for charge in charges:
        if charge.owner is None:
            continue
        minor, picos = charge.line.amount_minor, charge.line.exact_picos
        is_filling = charge.line.kind is LineKind.COMMITMENT
        one = CameTo(0, 0, minor, picos) if is_filling else CameTo(minor, picos)
        sums[charge.owner] = sums.get(charge.owner, CameTo()).plus(one)
    return sums


def _take(discount: DiscountTerms, buckets: Sequence[Bucket]) -> Fraction:
    """Take a discount off what it is for; return how much."""
    meant = [bucket for bucket in buckets if _is_for(discount, bucket)]
    total = sum((bucket.amount for bucket in meant), Fraction(0))
    fixed = discount.amount or Fraction(0)
    if discount.percent is not None:
        rate = discount.percent / 100
    elif total * fixed > 0:
        rate = min(abs(fixed), abs(total)) / abs(total)
    else:
        # A fixed amount is taken from what is charged, never from what is given back.
        return Fraction(0)
    for bucket in meant:
        bucket.amount -= bucket.amount * rate
    return total * rate


def _is_for(discount: DiscountTerms, bucket: Bucket) -> bool:
    if discount.models:
        return bool(bucket.models) and bucket.models <= discount.models
    match discount.scope:
        case DiscountScope.ALL:
            return True
        case DiscountScope.FEES:
            return bucket.is_fee
        case DiscountScope.USAGE:
            return not bucket.is_fee


def _discount_document(discount: DiscountTerms, version_id: int) -> dict[str, object]:
    of = (
        {"percent": exact_text(discount.percent)}
        if discount.percent is not None
        else {"amount": exact_text(discount.amount or Fraction(0))}
    )
    return {"discount": discount.id, "plan_version": version_id, **of}
