"""Writes of the inbox: take events in, drive parked ones anew, dismiss them, forget.

Failure: an event that is here already is left as it is. A refused write leaves no
trace. Owns: `WebhookEvent`, together with `processing`.
"""

import datetime as dt
from collections.abc import Sequence

from celery import current_app
from django.db import transaction

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.roles import current_alias
from kit.orm.saving import change
from metering.inbox.handlers import is_wanted
from metering.inbox.models import PROBLEM_CHARS_MAX, WebhookEvent
from metering.inbox.told import Told

TASK = "inbox.process"
# Messages that nobody took in this time are made up for by the scan of each minute.
TASK_LIFE_S = 60
KEPT_FOR = dt.timedelta(days=90)
PURGED_AT_ONCE = 5_000

State = WebhookEvent.State


def take_in(
    told: Sequence[Told],
    *,
    account: str,
    source: WebhookEvent.Source,
    now: dt.datetime,
    problem: str = "",
) -> int:
    """Keep events that are not here yet and ask a worker to see them through.

    With a `problem` they are parked. Returns how many were new; what came in at the
    same moment by another way may be counted twice, and is kept once.
    """
    with atomic():
        known = WebhookEvent.objects.filter(
            account=account, event_id__in=[each.event_id for each in told]
        ).values_list("event_id", flat=True)
        here = set(known)
        rows = [
            _row(each, account=account, source=source, now=now, problem=problem)
            for each in told
            if each.event_id not in here
        ]
        WebhookEvent.objects.bulk_create(rows, ignore_conflicts=True)
        if any(row.state == State.WAITING for row in rows):
            # Robust: what is kept is kept, and a broker that is away is made up for.
            transaction.on_commit(_ask_worker, using=current_alias(), robust=True)
    return len(rows)


def redrive(*, event: WebhookEvent, now: dt.datetime) -> WebhookEvent:
    """Try a parked event again, with all its patience; raises `Conflict` for others."""
    with atomic():
        row = _parked(event)
        change(
            row,
            {
                "state": State.WAITING,
                "attempts": 0,
                "next_at": now,
                "tried_since": None,
                "finished_at": None,
            },
            action="redrive",
        )
        transaction.on_commit(_ask_worker, using=current_alias(), robust=True)
    return row


def dismiss(*, event: WebhookEvent, now: dt.datetime) -> WebhookEvent:
    """Let a parked event be nothing to us; raises `Conflict` for others."""
    with atomic():
        row = _parked(event)
        change(row, {"state": State.IGNORED, "finished_at": now}, action="dismiss")
    return row


def purge(*, now: dt.datetime) -> int:
    """Delete what was seen through long ago, some at a time; return how many.

    What waits or is parked is kept for as long as it is.
    """
    old = WebhookEvent.objects.filter(
        received_at__lt=now - KEPT_FOR, state__in=(State.DONE, State.IGNORED)
    ).order_by("received_at")[:PURGED_AT_ONCE]
    deleted, _ = WebhookEvent.objects.filter(pk__in=old.values("pk")).delete()
    return deleted


def _row(
    told: Told,
    *,
    account: str,
    source: WebhookEvent.Source,
    now: dt.datetime,
    problem: str,
) -> WebhookEvent:
    state = State.WAITING
    if problem:
        state = State.PARKED
    elif not told.object_id or not is_wanted(told):
        state = State.IGNORED
    return WebhookEvent(
        account=account,
        event_id=told.event_id,
        type=told.type,
        object_id=told.object_id,
        api_version=told.api_version,
        source=source,
        state=state,
        problem=problem[:PROBLEM_CHARS_MAX],
        occurred_at=told.occurred_at,
        received_at=now,
        next_at=now if state == State.WAITING else None,
        finished_at=now if state == State.IGNORED else None,
    )


def _parked(event: WebhookEvent) -> WebhookEvent:
    row = WebhookEvent.objects.select_for_update().get(pk=event.pk)
    if row.state != State.PARKED:
        raise Conflict(f"This event is {row.state}: only parked ones can be changed.")
    return row


def _ask_worker() -> None:
    current_app.send_task(TASK, retry=False, expires=TASK_LIFE_S)
