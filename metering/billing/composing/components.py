"""What a plan's period components make of a segment's use. Pure.

Of a period that is due, a component rates all that its segment used. Of one that was
billed before, it charges the difference that late use makes: what the component makes
of all of it, less what it made of what was charged then. So it does not matter how use
is spread over bills, nor on which of them a request is counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kit.errors import InvalidRequest
from kit.money import PICOS_PER_UNIT
from metering.billing.composing.bill import (
    Bill,
    Bucket,
    Requests,
    Share,
    charged,
    days_text,
    exact_text,
)
from metering.billing.lines import Line, LineError, LineKind, Posted
from metering.pricing.components.rating import Part, Usage, parts_of
from metering.subscriptions.terms import ComponentTerms, Meter, Segment


def is_replaced(posting: Posted, segment: Segment | None) -> bool:
    """Tell whether a component charges these tokens, and not their linear price."""
    return segment is not None and any(
        component.replaces(posting.price.model, posting.token_class)
        for component in segment.components
    )


def component_line(
    bill: Bill,
    share: Share,
    component: ComponentTerms,
    *,
    now: Sequence[Posted],
    before: Sequence[Posted],
) -> Line | None:
    """Charge a component's use in a segment, and add it to what the segment comes to.

    Returns None where nothing is charged and nothing was used.
    """
    segment = share.segment
    if segment is None:
        return None
    requests = _requests(bill.requests, segment, component)
    whole = _usage(component, segment, [*before, *now], requests)
    parts = _parts(component, whole)
    amount, used, charged_before = _sum(parts), whole.quantity, None
    share.buckets.append(Bucket(amount, component.models))
    if not share.is_due:
        requests = _requests(bill.requests_before, segment, component)
        earlier = _usage(component, segment, before, requests)
        charged_before = _sum(_parts(component, earlier))
        share.earlier.append(Bucket(charged_before, component.models))
        amount -= charged_before
        used -= earlier.quantity
    if not used and not amount:
        return None
    made = _Made(component, amount, used, parts, charged_before)
    return _line(bill, share, made)


@dataclass(frozen=True, slots=True)
class _Made:
    """What a component makes of use: `amount` more than what was charged before."""

    component: ComponentTerms
    amount: Fraction
    used: Fraction
    parts: Sequence[Part]
    charged_before: Fraction | None


def _line(bill: Bill, share: Share, made: _Made) -> Line:
    component = made.component
    segment, period = share.segment, share.period
    if segment is None or period is None:
        raise LineError("a component is charged without a plan")
    description = f"{segment.plan.name}, {component.name}"
    how: dict[str, object] = {"parts": [_part(part) for part in made.parts]}
    key = f"component/{segment.first_date}/{component.id}"
    if not share.is_due:
        description += f", adjustment of {period.name}"
        key = f"{key}/late"
        how = {"parts": []}
        if bill.reopens and made.charged_before is not None:
            how |= {
                "whole": exact_text(made.charged_before + made.amount),
                "charged_before": exact_text(made.charged_before),
            }
    elif len(period.terms.segments) > 1 or segment.share != 1:
        description += f", {days_text(segment.first_date, segment.end_date)}"
    return charged(
        LineKind.COMPONENT,
        key,
        description,
        made.amount,
        currency=bill.currency,
        quantity=int(made.used) if component.meter is not Meter.CHARGE else 1,
        document={
            "component": component.id,
            "meter": str(component.meter),
            "plan_version": segment.plan.version_id,
            "first_date": str(segment.first_date),
            "end_date": str(segment.end_date),
            "share": exact_text(segment.share),
            "quantity": exact_text(made.used),
            "late": not share.is_due,
            **how,
        },
    )


def _part(part: Part) -> dict[str, object]:
    told: dict[str, object] = {
        "kind": str(part.kind),
        "quantity": exact_text(part.quantity),
        "amount": exact_text(part.amount),
    }
    return told if part.tier is None else told | {"tier": part.tier}


def _usage(
    component: ComponentTerms,
    segment: Segment,
    postings: Iterable[Posted],
    requests: int,
) -> Usage:
    match component.meter:
        case Meter.REQUESTS:
            return Usage(Fraction(requests), requests)
        case Meter.CHARGE:
            picos = sum(
                posting.charge_picos
                for posting in postings
                if component.counts(posting.price.model)
                and not is_replaced(posting, segment)
            )
            return Usage(Fraction(picos, PICOS_PER_UNIT), requests)
        case Meter.TOKENS:
            tokens = sum(
                posting.quantity
                for posting in postings
                if component.replaces(posting.price.model, posting.token_class)
            )
            return Usage(Fraction(tokens), requests)


def _requests(requests: Requests, segment: Segment, component: ComponentTerms) -> int:
    return sum(
        count
        for (first_date, model), count in requests.items()
        if first_date == segment.first_date and component.counts(model)
    )


def _parts(component: ComponentTerms, usage: Usage) -> tuple[Part, ...]:
    try:
        return parts_of(component.component, usage)
    except InvalidRequest as error:
        raise LineError(
            f"'{component.name}' cannot be rated: {error.message}"
        ) from None


def _sum(parts: Iterable[Part]) -> Fraction:
    return sum((part.amount for part in parts), Fraction(0))
