"""List what happened at each account, in case a webhook of it never came.

From where it was listed to the last time, less an overlap: events may appear late. In
windows, the oldest first, so that what was listed stays listed whatever comes then.
What meters did not count is told by thin events, which are listed apart.

Failure: a list that cannot be read says so on its account's row, and is tried again by
the next run from where it was; the others go on. Stripe lists thirty days: what is
older is left to the comparison of open invoices. Owns: `Progress`.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.db.models.functions import Greatest

from kit.orm.atomic import atomic
from metering.billing.accounts import Account, accounts
from metering.billing.operations import CallRefused, OutcomeUnknown
from metering.inbox import services
from metering.inbox.handlers import is_wanted
from metering.inbox.models import PROBLEM_CHARS_MAX, Progress, WebhookEvent
from metering.inbox.told import told_by

if TYPE_CHECKING:
    # Its package loads the SDK.
    from metering.billing.providers.stripe.client.events import EventPage

OVERLAP = dt.timedelta(hours=2)
WINDOW = dt.timedelta(hours=6)
# An account is new here: nothing of ours happened there before.
FIRST = dt.timedelta(days=1)
LISTED_FOR = dt.timedelta(days=30)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Window:
    """From when to when an account's events are listed; None is for ever."""

    account: Account
    start: dt.datetime
    end: dt.datetime | None


@dataclass(frozen=True, slots=True)
class _Listing:
    """What is listed, and which field of the row says up to where."""

    listed_to: str
    pages: "Callable[[_Window], Iterator[EventPage]]"


def catch_up(*, now: dt.datetime) -> int:
    """Take in what is listed and not here; return how many events that were.

    Must run outside a transaction.
    """
    return sum(_catch_up(account, now=now) for account in accounts())


def _catch_up(account: Account, *, now: dt.datetime) -> int:
    progress, _ = Progress.objects.get_or_create(
        account=account.name, defaults={"listed_to": now - FIRST}
    )
    found, problems = 0, []
    lists = [_Listing("listed_to", _events)]
    if account.meter_events:
        lists.append(_Listing("reports_to", _reports))
    for listing in lists:
        count, problem = _go_on(account, progress, listing, now=now)
        found += count
        problems.append(problem)
    said = " ".join(filter(None, problems))
    Progress.objects.filter(pk=progress.pk).update(
        listed_at=now, problem=said[:PROBLEM_CHARS_MAX]
    )
    return found


def _go_on(
    account: Account, progress: Progress, listing: _Listing, *, now: dt.datetime
) -> tuple[int, str]:
    """List from where it was listed to; return how many were new, and what is wrong."""
    found, problem = 0, ""
    start = (getattr(progress, listing.listed_to) or now - FIRST) - OVERLAP
    if start < now - LISTED_FOR:
        problem = f"Events before {now - LISTED_FOR:%Y-%m-%d %H:%M} UTC are lost."
        start = now - LISTED_FOR
    try:
        while start < now:
            end = start + WINDOW
            # Whatever their clock says, the last window has no end.
            window = _Window(account, start, end if end < now else None)
            found += _take_in(window, listing, now=now)
            start = min(end, now)
            _note(progress, listing.listed_to, start)
    except (CallRefused, OutcomeUnknown) as error:
        problem = str(error)
        log.warning("catch_up_failed", account=account.name, why=problem)
    return found, problem


def _take_in(window: _Window, listing: _Listing, *, now: dt.datetime) -> int:
    account, found = window.account, 0
    for page in listing.pages(window):
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
    return found


def _events(window: _Window) -> "Iterator[EventPage]":
    # Without accounts the SDK stays out of the process.
    from metering.billing.providers.stripe.client import client_for  # noqa: PLC0415

    client, after, is_first = client_for(window.account.name), "", True
    while is_first or after:
        page = client.events.page(since=window.start, until=window.end, after=after)
        yield page
        after, is_first = page.after, False


def _reports(window: _Window) -> "Iterator[EventPage]":
    from metering.billing.providers.stripe.client import client_for  # noqa: PLC0415

    client = client_for(window.account.name)
    yield client.events.reports(since=window.start, until=window.end)


def _note(progress: Progress, name: str, listed_to: dt.datetime) -> None:
    # Of nothing and a moment, the greatest is the moment.
    with atomic():
        Progress.objects.filter(pk=progress.pk).update(
            **{name: Greatest(name, listed_to)}
        )
