"""The plans of a tenant's periods, as a bill takes them."""

import datetime as dt

from metering.billing.composing.bill import BilledPeriod
from metering.subscriptions.models import Subscription
from metering.subscriptions.selectors import terms_of
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
