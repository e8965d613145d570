"""Tell a tenant's people that credit could not be bought, in words of ours.

Failure: part of the caller's transaction; what is sent is sent by the alerts' own
scans. The same trouble again within a day is not told again.
"""

import datetime as dt

from kit.money import decimal_from_picos, picos_from_minor
from metering.alerts.models import EventType
from metering.alerts.telling import tell_of_top_up
from metering.topups.models import TopUp

TOLD_AGAIN_AFTER = dt.timedelta(days=1)


def tell_of_failure(*, top_up: TopUp, problem: str, now: dt.datetime) -> None:
    """Tell that a top-up's payment failed, unless the one before failed as well."""
    before = TopUp.objects.filter(
        tenant=top_up.tenant,
        state=TopUp.State.FAILED,
        problem=problem,
        ended_at__gt=now - TOLD_AGAIN_AFTER,
    ).exclude(pk=top_up.pk)
    if not before.exists():
        _tell(EventType.TOP_UP_FAILED, top_up, problem, now)


def tell_that_it_waits(*, top_up: TopUp, problem: str, now: dt.datetime) -> None:
    """Tell that a top-up waits to be paid for."""
    _tell(EventType.TOP_UP_WAITING, top_up, problem, now)


def _tell(event_type: EventType, top_up: TopUp, problem: str, now: dt.datetime) -> None:
    picos = picos_from_minor(top_up.amount_minor, top_up.currency)
    data = {
        "top_up": {
            "id": top_up.pk,
            "amount": decimal_from_picos(picos),
            "amount_minor": top_up.amount_minor,
            "currency": top_up.currency,
            "by_rule": top_up.by_rule,
        },
        "problem": problem,
    }
    tell_of_top_up(event_type, tenant=top_up.tenant, data=data, now=now)
