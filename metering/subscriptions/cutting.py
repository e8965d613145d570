"""Cut a period into segments of its plans, and find the fees due at its close. Pure.

A fee in advance is decided by what was agreed before the period it pays for began, and
by nothing later: so the close of the period before, whenever it runs and however often,
finds the same. What came otherwise is set right at the paid period's own close: days
without the plan are given back, a plan that came too late pays its days in arrears.

Failure: none. Owns: the rules of proration.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from metering.subscriptions.prorating import component_share, discount_share
from metering.subscriptions.terms import (
    DiscountScope,
    Fee,
    FeeKind,
    Held,
    PlanTerms,
    Segment,
    Terms,
)
from metering.usage.spans import Span


@dataclass(frozen=True, slots=True)
class _Run:
    """Days of a period on which one plan version is held."""

    plan: PlanTerms
    first_date: dt.date
    end_date: dt.date


def cut(held: Iterable[Held], *, period: Span, following: Span | None) -> Terms:
    """Return what a tenant's subscriptions make due at the close of a period.

    `held` never overlap; their order does not matter. `following` is the period after,
    None where there will be none: nothing is paid in advance for it then.
    """
    subscriptions = sorted(held, key=lambda each: each.starts_on)
    runs = _runs(subscriptions, period)
    paid = _paid_ahead(subscriptions, period)
    segments = tuple(_segment(run, period, paid) for run in runs)
    fees: list[Fee] = []
    if paid is not None:
        fees += _unused(paid, runs, period)
    if following is not None:
        coming = _paid_ahead(subscriptions, following)
        if coming is not None:
            first, end = following.first_date, following.end_date
            fees += _outside(
                FeeKind.ADVANCE, coming, first, end, following.share_of(first, end)
            )
    return Terms(segments=segments, fees=tuple(fees))


def _runs(subscriptions: list[Held], period: Span) -> list[_Run]:
    """Return the runs of a period in order; what touches and is the same is one."""
    runs: list[_Run] = []
    for each in subscriptions:
        first = max(each.starts_on, period.first_date)
        end = min(each.ends_on or period.end_date, period.end_date)
        if first >= end:
            continue
        last = runs[-1] if runs else None
        if (
            last is not None
            and last.end_date == first
            and last.plan.version_id == each.plan.version_id
        ):
            runs[-1] = _Run(last.plan, last.first_date, end)
        else:
            runs.append(_Run(each.plan, first, end))
    return runs


def _paid_ahead(subscriptions: list[Held], period: Span) -> PlanTerms | None:
    """Return the plan whose fee for the period is due at the close of the one before.

    It is the one that was going to hold on its first day, as known when it began.
    """
    for each in subscriptions:
        if each.agreed_at >= period.starts_at or each.starts_on > period.first_date:
            continue
        end = each.ends_on
        if each.end_agreed_at is not None and each.end_agreed_at >= period.starts_at:
            # Then its end lay further off, or nowhere: it is only ever moved earlier.
            end = None
        if end is None or end > period.first_date:
            return each.plan if each.plan.fee_in_advance else None
    return None


def _segment(run: _Run, period: Span, paid: PlanTerms | None) -> Segment:
    share = period.share_of(run.first_date, run.end_date)
    plan = run.plan
    fee = None
    if plan.fee and not _is_paid(run, period, paid):
        fee = Fee(
            kind=FeeKind.PERIOD,
            plan=plan,
            first_date=run.first_date,
            end_date=run.end_date,
            share=share,
            amount=plan.fee * share,
        )
    return Segment(
        plan=plan,
        first_date=run.first_date,
        end_date=run.end_date,
        share=share,
        fee=fee,
        commitment=plan.commitment * share,
        components=tuple(component_share(each, share) for each in plan.components),
        discounts=tuple(discount_share(each, share) for each in plan.discounts),
    )


def _is_paid(run: _Run, period: Span, paid: PlanTerms | None) -> bool:
    """Tell whether a run is the one that was paid for in advance."""
    return (
        paid is not None
        and run.first_date == period.first_date
        and run.plan.version_id == paid.version_id
    )


def _unused(paid: PlanTerms, runs: list[_Run], period: Span) -> list[Fee]:
    used_to = period.first_date
    if runs and _is_paid(runs[0], period, paid):
        used_to = runs[0].end_date
    if used_to >= period.end_date:
        return []
    share = -period.share_of(used_to, period.end_date)
    return _outside(FeeKind.UNUSED, paid, used_to, period.end_date, share)


def _outside(
    kind: FeeKind, plan: PlanTerms, first: dt.date, end: dt.date, share: Fraction
) -> list[Fee]:
    """Return a fee of no segment; a version without a fee has none."""
    if not plan.fee:
        return []
    return [
        Fee(
            kind=kind,
            plan=plan,
            first_date=first,
            end_date=end,
            share=share,
            amount=plan.fee * share,
            discounts=tuple(
                each for each in plan.discounts if each.scope is not DiscountScope.USAGE
            ),
        )
    ]
