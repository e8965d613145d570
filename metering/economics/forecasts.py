"""Reads of forecasts: revenue of use in the running month, of each tenant and of all.

As the books have it, so up to the last day that is booked in every zone. Failure: none.
"""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Min, QuerySet, Sum

from kit.orm.atomic import cursor
from metering.economics.forecasting import ONE_DAY, SAMPLE_DAYS, Forecast, forecast
from metering.economics.models import DayTotal
from metering.ledger.months import month_after
from metering.ledger.services import DAY_GRACE
from tenants.models import Tenant

_LAST_ZONE = dt.timedelta(hours=12)
# Postings are made every ten minutes, and days are worked out as often.
_WORKED_OUT = dt.timedelta(minutes=30)
PAST_MONTHS = 3
_BY_TENANT = """
SELECT tenant_id, date - %(since)s::date, sum(revenue_picos)
FROM economics_daymargin
WHERE date >= %(since)s AND date <= %(last)s AND currency = %(currency)s
    AND tenant_id IS NOT NULL
GROUP BY tenant_id, date
"""


@dataclass(frozen=True, slots=True)
class Past:
    """What would have been forecast of a month on the same day of it, and what came."""

    month: dt.date
    forecast: Forecast
    came_picos: int

    @property
    def error_picos(self) -> int:
        """Return by how much the forecast was too high; below zero, too low."""
        return self.forecast.estimate_picos - self.came_picos


@dataclass(frozen=True, slots=True)
class Outlook:
    """The running month in one currency: each tenant's forecast, and all together.

    The estimates of tenants sum to that of all; ranges do not, since not everybody has
    their best day at once.
    """

    month: dt.date
    last: dt.date
    currency: str
    whole: Forecast
    days: dict[dt.date, int]
    """What each day that was looked at came to, of all."""
    tenants: dict[int, Forecast]
    past: tuple[Past, ...]


def last_booked(*, now: dt.datetime) -> dt.date:
    """Return the last day that has ended in every zone and is in the books."""
    settled = now - _LAST_ZONE - DAY_GRACE - _WORKED_OUT
    return settled.astimezone(dt.UTC).date() - ONE_DAY


def outlook(*, currency: str, now: dt.datetime) -> Outlook:
    """Return the forecast of the running month."""
    month = now.astimezone(dt.UTC).date().replace(day=1)
    last, end = last_booked(now=now), month_after(month)
    since = min(month, last - (SAMPLE_DAYS - 1) * ONE_DAY)
    by_tenant = _by_tenant(currency, since, last)
    used = DayTotal.objects.filter(currency=currency, is_idle=False).order_by()
    totals = _by_date(used.filter(date__gte=since, date__lte=last))
    there = Tenant.objects.filter(pk__in=by_tenant).values_list("pk", "created_at")
    began = {pk: created_at.date() for pk, created_at in there}
    tenants = {
        pk: forecast(days, first=month, end=end, last=last, began=began.get(pk))
        for pk, days in by_tenant.items()
    }
    earliest = used.aggregate(first=Min("date"))["first"]
    whole = forecast(totals, first=month, end=end, last=last, began=earliest)
    estimate = sum(each.estimate_picos for each in tenants.values())
    return Outlook(
        month=month,
        last=last,
        currency=currency,
        whole=Forecast(
            so_far_picos=whole.so_far_picos,
            estimate_picos=estimate,
            low_picos=min(whole.low_picos, estimate),
            high_picos=max(whole.high_picos, estimate),
            left=whole.left,
            sampled=whole.sampled,
        ),
        days=totals,
        tenants=tenants,
        past=_past(currency, month, last, began=earliest),
    )


def _by_tenant(
    currency: str, since: dt.date, last: dt.date
) -> dict[int, dict[dt.date, int]]:
    """Return each tenant's days. Read bare: there are tens of thousands."""
    found: dict[int, dict[dt.date, int]] = defaultdict(dict)
    days = [since + n * ONE_DAY for n in range((last - since).days + 1)]
    with cursor() as session:
        session.execute(
            _BY_TENANT, {"currency": currency, "since": since, "last": last}
        )
        for tenant_id, number, picos in session.fetchall():
            found[tenant_id][days[number]] = int(picos)
    return found


def _by_date(rows: QuerySet[DayTotal]) -> dict[dt.date, int]:
    sums = rows.values_list("date").annotate(Sum("revenue_picos"))
    return {date: int(picos) for date, picos in sums}


def _past(
    currency: str, month: dt.date, last: dt.date, *, began: dt.date | None
) -> tuple[Past, ...]:
    """Forecast past months from as far into them as the running one is now."""
    if began is None:
        return ()
    since = month_after(month, -PAST_MONTHS) - SAMPLE_DAYS * ONE_DAY
    used = DayTotal.objects.filter(currency=currency, is_idle=False).order_by()
    days = _by_date(used.filter(date__gte=since, date__lt=month))
    found = []
    for back in range(1, PAST_MONTHS + 1):
        first = month_after(month, -back)
        end = month_after(first)
        known = min(first + (last - month), end - ONE_DAY)
        if began > known - (SAMPLE_DAYS - 1) * ONE_DAY:
            # It would have had less to go by than it has now.
            continue
        came = sum(picos for day, picos in days.items() if first <= day < end)
        then = {day: picos for day, picos in days.items() if day <= known}
        found.append(
            Past(first, forecast(then, first=first, end=end, last=known), came)
        )
    return tuple(found)
