"""The plans of a tenant's periods, as a bill takes them."""

import datetime as dt
from collections.abc import Mapping, Sequence

from metering.billing.composing.bill import BilledPeriod
from metering.billing.lines import Posted
from metering.billing.marks import Mark, marked_before
from metering.subscriptions.models import Subscription
from metering.subscriptions.selectors import terms_of
from metering.subscriptions.terms import Segment
from metering.usage.periods import period_of
from tenants.models import Tenant


def holds_plans(tenant: Tenant) -> bool:
    """Tell whether a tenant ever subscribed to anything."""
    return Subscription.objects.filter(tenant=tenant).exists()


def planned(*, tenant: Tenant, date: dt.date, is_due: bool) -> BilledPeriod:
    """Return the period of a date with what its plans make due."""
    span = period_of(tenant_id=tenant.pk, date=date)
    return BilledPeriod(
        first_date=span.first_date,
        end_date=span.end_date,
        terms=terms_of(tenant_id=tenant.pk, span=span),
        is_due=is_due,
    )


def planned_all(
    *, tenant: Tenant, are_due: Mapping[dt.date, bool]
) -> tuple[BilledPeriod, ...]:
    """Return periods by their first dates, in order."""
    return tuple(
        planned(tenant=tenant, date=first_date, is_due=is_due)
        for first_date, is_due in sorted(are_due.items())
    )


def charged_before(
    *, tenant_id: int, mark: Mark, periods: Sequence[BilledPeriod]
) -> tuple[Posted, ...]:
    """Return what was charged of late periods of which something looks at all use.

    That are components, and discounts of an amount: a percentage is the same of
    everything.
    """
    looked_at = [
        period.first_date
        for period in periods
        if not period.is_due
        and any(
            segment.components
            or any(each.percent is None for each in segment.discounts)
            for segment in period.terms.segments
        )
    ]
    return tuple(marked_before(tenant_id=tenant_id, mark=mark, periods=looked_at))


def _looks_at_all(segment: Segment) -> bool:
    fixed = any(each.percent is None for each in segment.discounts)
    return fixed or bool(segment.components)
