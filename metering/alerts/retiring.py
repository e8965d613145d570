"""Tell tenants of models that retire, where they called them lately: thrice, each once.

A scan asks which models retire soon, and which tenants called those within a month; a
tenant that begins to is told by the next one. An event names what it tells of, so that
two scans at once tell it once; a retirement that is moved is told anew.

Failure: a scan that dies is made up for by the next. Owns: nothing.
"""

import datetime as dt

from django.db import IntegrityError

from kit.orm.atomic import atomic
from metering.alerts.models import Event, EventType
from metering.alerts.telling import tell_of_model
from metering.pricing.resolving import ANSWER_CACHE
from metering.usage.selectors import calls_of
from tenants.catalog import Retirement, retirements
from tenants.models import Tenant

DAYS_BEFORE = (7, 30, 90)
USED_WITHIN = dt.timedelta(days=30)
RUN_MAX = 1000


def scan(*, now: dt.datetime) -> int:
    """Tell whoever is to be told by now; return how many were."""
    due = [(each, days) for each in retirements() if (days := _stage(each, now))]
    told = 0
    for retirement, days in due:
        told += _tell(retirement, days, now=now, most=RUN_MAX - told)
    return told


def _stage(retirement: Retirement, now: dt.datetime) -> int:
    """Return how many days before it is told by now; 0 for not yet or not any more."""
    left = retirement.retires_at - now
    if left <= dt.timedelta(0):
        return 0
    return next((days for days in DAYS_BEFORE if left <= dt.timedelta(days=days)), 0)


def _tell(retirement: Retirement, days: int, *, now: dt.datetime, most: int) -> int:
    at = f"{retirement.retires_at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    once = f"{EventType.MODEL_RETIRING}:{retirement.model}:{at}:{days}"
    names = (retirement.model, retirement.model + ANSWER_CACHE)
    calls = calls_of(names, now - USED_WITHIN)
    known = Event.objects.filter(once=once).values("tenant_id")
    tenants = Tenant.objects.filter(
        pk__in=list(calls), state=Tenant.State.ACTIVE
    ).exclude(pk__in=known)
    told = 0
    for tenant in tenants.order_by("pk")[:most]:
        data = {
            "model": retirement.model,
            "successor": retirement.successor or None,
            "retires_at": at,
            "days": days,
            "requests": calls[tenant.pk],
            "requests_within_days": USED_WITHIN.days,
        }
        try:
            with atomic():
                tell_of_model(tenant=tenant, data=data, once=once, now=now)
        except IntegrityError:
            # Another scan has told it meanwhile.
            continue
        told += 1
    return told
