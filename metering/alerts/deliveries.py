"""The outbox: claim deliveries that are due, and note how each attempt went.

A claim is committed before anything is sent, and lasts longer than sending takes. Who
dies in between leaves a claim that runs out: the next attempt has the same id, so that
a reader who had it already can tell. Each reader gets a few of a batch at most: one who
is slow holds nobody else up.

Failure: what fails is tried again, later each time, for about three days, and then
given up; the row says why. Owns: the state of deliveries, and endpoints' health.
"""

import datetime as dt
import secrets

import structlog
from django.db.models import F
from django.db.models.functions import Coalesce

from kit.orm.atomic import atomic, cursor
from kit.orm.saving import change
from metering.alerts import telling
from metering.alerts.models import Delivery, Endpoint

# Between an attempt and the next: 76 hours in all.
DELAYS = tuple(
    dt.timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
_DELAY_MAX = dt.timedelta(days=1)
_JITTER_PERCENT = 10
# What waits beyond the last attempt, as for an endpoint that is paused.
GIVEN_UP_AFTER = dt.timedelta(days=4)
PAUSED_AFTER = dt.timedelta(days=3)
CLAIMED_FOR = {
    Delivery.Channel.WEBHOOK: dt.timedelta(minutes=1),
    # One mail after the other, each of which a mail server may make us wait for.
    Delivery.Channel.MAIL: dt.timedelta(minutes=5),
}
BATCH = {Delivery.Channel.WEBHOOK: 32, Delivery.Channel.MAIL: 10}
_OF_ONE_READER = 4
_ERROR_CHARS_MAX = 200

_CLAIM = """
WITH queue AS (
    SELECT delivery.id, row_number() OVER (
        PARTITION BY delivery.tenant_id, delivery.endpoint_id
        ORDER BY delivery.next_at, delivery.id) AS place
      FROM alerts_delivery delivery
      LEFT JOIN alerts_endpoint endpoint ON endpoint.id = delivery.endpoint_id
     WHERE delivery.channel = %(channel)s AND delivery.state = 'waiting'
       AND delivery.next_at <= %(now)s
       AND endpoint.paused_at IS NULL AND endpoint.removed_at IS NULL
), claimed AS (
    SELECT delivery.id FROM alerts_delivery delivery
     WHERE delivery.id IN (
            SELECT id FROM queue WHERE place <= %(of_one)s
             ORDER BY place, id LIMIT %(most)s)
       AND delivery.state = 'waiting' AND delivery.next_at <= %(now)s
       FOR UPDATE SKIP LOCKED
)
UPDATE alerts_delivery delivery
   SET next_at = %(until)s, attempts = attempts + 1, last_tried_at = %(now)s
  FROM claimed WHERE delivery.id = claimed.id
RETURNING delivery.id
"""

log = structlog.get_logger(__name__)


def claim(channel: Delivery.Channel, *, now: dt.datetime) -> list[Delivery]:
    """Claim a batch that is due, for whoever sends it now."""
    with atomic(durable=True), cursor() as session:
        session.execute(
            _CLAIM,
            {
                "channel": channel.value,
                "now": now,
                "until": now + CLAIMED_FOR[channel],
                "of_one": _OF_ONE_READER,
                "most": BATCH[channel],
            },
        )
        claimed = [delivery_id for (delivery_id,) in session.fetchall()]
    rows = Delivery.objects.filter(pk__in=claimed).order_by("pk")
    return list(rows.select_related("event", "endpoint", "member", "tenant"))


def note_success(
    row: Delivery,
    *,
    now: dt.datetime,
    status: int | None = None,
    took_ms: int | None = None,
) -> None:
    """Note that the reader has it; a replay says nothing of the endpoint."""
    noted = {"last_status": status, "last_error": "", "last_ms": took_ms}
    with atomic():
        _end(row, Delivery.State.DELIVERED, now=now, **noted)
        if row.endpoint_id is not None and not row.is_replay:
            Endpoint.objects.filter(pk=row.endpoint_id).update(
                failing_since=None, last_succeeded_at=now
            )


def note_failure(
    row: Delivery,
    *,
    problem: str,
    now: dt.datetime,
    status: int | None = None,
    took_ms: int | None = None,
    wait: dt.timedelta = dt.timedelta(0),
) -> None:
    """Note that an attempt failed, and when the next one is made, if any.

    A replay is tried once. Of an attempt whose claim ran out another one knows more:
    nothing is noted.
    """
    noted = {
        "last_status": status,
        "last_error": problem[:_ERROR_CHARS_MAX],
        "last_ms": took_ms,
    }
    if row.is_replay or row.attempts > len(DELAYS):
        _end(row, Delivery.State.GIVEN_UP, now=now, **noted)
        return
    delay = max(_jittered(DELAYS[row.attempts - 1]), min(wait, _DELAY_MAX))
    Delivery.objects.filter(
        pk=row.pk, state=Delivery.State.WAITING, attempts=row.attempts
    ).update(next_at=now + delay, **noted)


def drop(row: Delivery, *, reason: str, now: dt.datetime) -> None:
    """Note that there is nobody any more to deliver it to."""
    _end(row, Delivery.State.DROPPED, now=now, last_error=reason)


def note_endpoint_failure(
    endpoint: Endpoint, *, is_gone: bool, now: dt.datetime
) -> None:
    """Note that an endpoint failed; one that has for long, or is gone, is paused.

    Its owners are told. Of the installation's the log tells, and its page.
    """
    with atomic():
        rows = Endpoint.objects.filter(pk=endpoint.pk, paused_at=None, removed_at=None)
        rows.update(failing_since=Coalesce(F("failing_since"), now))
        row = rows.select_for_update(no_key=True, of=("self",)).first()
        if row is None or row.failing_since is None:
            return
        if not is_gone and now - row.failing_since < PAUSED_AFTER:
            return
        because = Endpoint.PausedBecause
        why = because.GONE if is_gone else because.FAILING
        change(row, {"paused_at": now, "paused_because": why}, action="pause")
        telling.tell_of_endpoint(row, now=now)
    log.error("webhook_endpoint_paused", endpoint=endpoint.pk, because=why.value)


def give_up_old(*, now: dt.datetime) -> int:
    """Give up what has waited for longer than attempts are made.

    What waits for an endpoint that was removed is dropped.
    """
    waiting = Delivery.objects.filter(state=Delivery.State.WAITING)
    waiting.filter(endpoint__removed_at__isnull=False).update(
        state=Delivery.State.DROPPED, next_at=None, ended_at=now
    )
    old = waiting.filter(created_at__lt=now - GIVEN_UP_AFTER)
    return old.update(state=Delivery.State.GIVEN_UP, next_at=None, ended_at=now)


def _end(
    row: Delivery, state: Delivery.State, *, now: dt.datetime, **noted: object
) -> None:
    Delivery.objects.filter(pk=row.pk, state=Delivery.State.WAITING).update(
        state=state, next_at=None, ended_at=now, **noted
    )


def _jittered(delay: dt.timedelta) -> dt.timedelta:
    """Return a delay up to a tenth longer, so that what failed together parts."""
    return delay * (100 + secrets.randbelow(_JITTER_PERCENT + 1)) / 100
