"""List what happened at each account, in case a webhook of it never came.

From where it was listed to the last time, less an overlap: events may appear late. In
windows, the oldest first, so that what was listed stays listed whatever comes then.

Failure: an account that cannot be listed says so on its row, and is tried again by the
next run from where it was; the others go on. Stripe lists thirty days: what is older is
left to the comparison of open invoices. Owns: `Progress`.
"""

import datetime as dt

import structlog
from django.db.models.functions import Greatest

from kit.orm.atomic import atomic
from metering.billing.accounts import Account, accounts
from metering.billing.operations import CallRefused, OutcomeUnknown
from metering.inbox import services
from metering.inbox.handlers import is_wanted
from metering.inbox.models import PROBLEM_CHARS_MAX, Progress, WebhookEvent
from metering.inbox.told import told_by

OVERLAP = dt.timedelta(hours=2)
WINDOW = dt.timedelta(hours=6)
# An account is new here: nothing of ours happened there before.
FIRST = dt.timedelta(days=1)
LISTED_FOR = dt.timedelta(days=30)

log = structlog.get_logger(__name__)


def catch_up(*, now: dt.datetime) -> int:
    """Take in what is listed and not here; return how many events that were.

    Must run outside a transaction.
    """
    return sum(_catch_up(account, now=now) for account in accounts())


def _catch_up(account: Account, *, now: dt.datetime) -> int:
    progress, _ = Progress.objects.get_or_create(
        account=account.name, defaults={"listed_to": now - FIRST}
    )
    found, problem = 0, ""
    start = progress.listed_to - OVERLAP
    if start < now - LISTED_FOR:
        problem = f"Events before {now - LISTED_FOR:%Y-%m-%d %H:%M} UTC are lost."
        start = now - LISTED_FOR
    try:
        while start < now:
            end = start + WINDOW
            # Whatever their clock says, the last window has no end.
            found += _list(account, start, end if end < now else None, now=now)
            start = min(end, now)
            _note(progress, listed_to=start)
    except (CallRefused, OutcomeUnknown) as error:
        problem = str(error)
        log.warning("catch_up_failed", account=account.name, why=problem)
    Progress.objects.filter(pk=progress.pk).update(
        listed_at=now, problem=problem[:PROBLEM_CHARS_MAX]
    )
    return found


def _list(
    account: Account, start: dt.datetime, end: dt.datetime | None, *, now: dt.datetime
) -> int:
    # Without accounts the SDK stays out of the process.
    from metering.billing.providers.stripe.client import client_for  # noqa: PLC0415

    client, found, after = client_for(account.name), 0, ""
    while True:
        page = client.events.page(since=start, until=end, after=after)
        if page.unreadable:
            log.warning("events_unreadable", account=account.name, rows=page.unreadable)
        told = [
            told
            for event in page.events
            if event.is_live == account.is_live and is_wanted(told := told_by(event))
        ]
        found += services.take_in(
            told, account=account.name, source=WebhookEvent.Source.CATCH_UP, now=now
        )
        after = page.after
        if not after:
            return found


def _note(progress: Progress, *, listed_to: dt.datetime) -> None:
    with atomic():
        Progress.objects.filter(pk=progress.pk).update(
            listed_to=Greatest("listed_to", listed_to)
        )
