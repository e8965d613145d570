"""See events through: claim what is due, call who acts on it, note how it went.

All due events of one object are claimed together, since its handlers read it once for
all of them. A claim is committed before anybody is called, and lasts longer than that
takes. Who dies in between leaves a claim that runs out, and nothing is lost.

Failure: what a handler raises is noted, and tried again, later each time. A refusal is
parked after `len(DELAYS)` retries; where the provider gave no answer, or something else
must come first, patience lasts `PATIENCE`. One event that fails holds up no other.
"""

import datetime as dt
from collections.abc import Sequence

import structlog
from django.db.models import QuerySet

from kit.orm.atomic import atomic, cursor
from metering.billing.operations import OutcomeUnknown
from metering.inbox.handlers import NotYet, handlers_for
from metering.inbox.models import PROBLEM_CHARS_MAX, WebhookEvent

DELAYS = tuple(
    dt.timedelta(seconds=seconds)
    for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14_400)
)
PATIENCE = dt.timedelta(days=3)
# More than patience ever makes: each process that tried it died.
ATTEMPTS_MAX = 60
CLAIMED_FOR = dt.timedelta(minutes=5)
# One page of them; the rest of the same object is claimed next.
_OF_ONE_OBJECT = 100

_CLAIM = """
WITH first AS (
    SELECT account, object_id FROM inbox_webhookevent
     WHERE state = 'waiting' AND next_at <= %(now)s
     ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
), claimed AS (
    SELECT event.id FROM inbox_webhookevent event
      JOIN first USING (account, object_id)
     WHERE event.state = 'waiting' AND event.next_at <= %(now)s
     ORDER BY event.id LIMIT %(most)s
       FOR UPDATE OF event SKIP LOCKED
)
UPDATE inbox_webhookevent event
   SET next_at = %(until)s, attempts = attempts + 1,
       tried_since = coalesce(tried_since, %(now)s)
  FROM claimed WHERE event.id = claimed.id
RETURNING event.id
"""

State = WebhookEvent.State

log = structlog.get_logger(__name__)


def process_next(*, now: dt.datetime) -> bool:
    """See the events of one object through; False when none is due.

    Must run outside a transaction.
    """
    events = _claim(now=now)
    if not events:
        return False
    try:
        _require_harmless(events)
        _handle(events, now=now)
    except (NotYet, OutcomeUnknown) as delay:
        _note_failure(events, str(delay), now=now, is_definite=False)
    except Exception as error:
        log.exception("webhook_event_failed", events=[str(each) for each in events])
        problem = f"{type(error).__name__}: {error}"
        _note_failure(events, problem, now=now, is_definite=True)
    else:
        _end(events, State.DONE, now=now)
    return True


class Deadly(Exception):
    """Nobody who tried it came to an end."""


def _claim(*, now: dt.datetime) -> list[WebhookEvent]:
    with atomic(durable=True), cursor() as session:
        session.execute(
            _CLAIM,
            {"now": now, "until": now + CLAIMED_FOR, "most": _OF_ONE_OBJECT},
        )
        claimed = [event_id for (event_id,) in session.fetchall()]
    return list(WebhookEvent.objects.filter(pk__in=claimed).order_by("pk"))


def _require_harmless(events: Sequence[WebhookEvent]) -> None:
    if any(event.attempts > ATTEMPTS_MAX for event in events):
        raise Deadly("Every process that tried it died.")


def _handle(events: Sequence[WebhookEvent], *, now: dt.datetime) -> None:
    """Call each handler once, with the latest event that is its own."""
    latest = sorted(events, key=lambda event: (event.occurred_at, event.pk))
    wanted = {
        handler: event for event in latest for handler in handlers_for(event.type)
    }
    for handler, event in wanted.items():
        handler(event.account, event.object_id, event.type, now)


def _note_failure(
    events: Sequence[WebhookEvent],
    problem: str,
    *,
    now: dt.datetime,
    is_definite: bool,
) -> None:
    """Note for each event what went wrong and when it is tried again, if ever."""
    for event in events:
        age = now - (event.tried_since or now)
        is_over = event.attempts > len(DELAYS) if is_definite else age > PATIENCE
        if is_over:
            log.error("webhook_event_parked", event_id=str(event), problem=problem)
            _end([event], State.PARKED, now=now, problem=problem)
            continue
        delay = DELAYS[min(event.attempts, len(DELAYS)) - 1]
        _still_claimed(event).update(
            next_at=now + delay, problem=problem[:PROBLEM_CHARS_MAX]
        )


def _end(
    events: Sequence[WebhookEvent],
    state: WebhookEvent.State,
    *,
    now: dt.datetime,
    problem: str = "",
) -> None:
    with atomic():
        for event in events:
            _still_claimed(event).update(
                state=state,
                next_at=None,
                finished_at=now,
                problem=problem[:PROBLEM_CHARS_MAX],
            )


def _still_claimed(event: WebhookEvent) -> QuerySet[WebhookEvent]:
    """Return the event, unless its claim ran out and somebody else has it."""
    return WebhookEvent.objects.filter(
        pk=event.pk, state=State.WAITING, attempts=event.attempts
    )
