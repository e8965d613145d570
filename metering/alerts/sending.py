"""Send what is due: webhooks many at a time, mails one after the other.

Failure: everything that can go wrong with one delivery is noted on that delivery. A
run ends after a few seconds, and the next one goes on. Nothing is written while
something is being sent.
"""

import datetime as dt
import json
import time
from smtplib import SMTPException, SMTPResponseException

import structlog
from django.conf import settings

from kit.sealing import SealBrokenError
from metering.alerts import deliveries, mails, signing
from metering.alerts.calling import Answer, Call, Reach, call_all
from metering.alerts.models import Delivery, Endpoint, Event
from tenants.mails.sending import send_noted
from tenants.models import Mail

RUN_S_MAX = 4.0
_GONE = 410
# Of a call that somebody asked to have made again, under the same id.
REPLAY_HEADER = "x-tollgate-replay"

log = structlog.get_logger(__name__)


def configured_reach() -> Reach:
    """Return whom this installation may call, by its settings."""
    return Reach(
        allowed=settings.WEBHOOK_NETWORKS_ALLOWED,
        http_loopback=settings.WEBHOOK_HTTP_LOOPBACK,
    )


def call_webhooks(*, now: dt.datetime, reach: Reach | None = None) -> int:
    """Call the endpoints that something is due for; return how many calls were made."""
    reach = reach or configured_reach()
    made, until = 0, time.monotonic() + RUN_S_MAX
    while rows := deliveries.claim(Delivery.Channel.WEBHOOK, now=now):
        made += len(rows)
        prepared = [(row, _call(row, now)) for row in rows]
        calls = [call for _, call in prepared if call is not None]
        answers = iter(call_all(calls, reach=reach))
        for row, call in prepared:
            _note(row, _unsigned() if call is None else next(answers), now)
        if time.monotonic() > until:
            break
    return made


def send_mails(*, now: dt.datetime) -> int:
    """Send the mails that are due; return how many went.

    Without a mail server nothing is tried, and they wait until they are given up.
    """
    if not settings.EMAIL_IS_SET:
        return 0
    went, until = 0, time.monotonic() + RUN_S_MAX
    while rows := deliveries.claim(Delivery.Channel.MAIL, now=now):
        went += sum(_mail(row, now) for row in rows)
        if time.monotonic() > until:
            break
    return went


def body_of(event: Event) -> bytes:
    """Return what endpoints are sent of an event: the same bytes at each attempt."""
    said = {
        "id": event.public_id,
        "type": event.type,
        "created_at": event.created_at.astimezone(dt.UTC)
        .isoformat()
        .replace("+00:00", "Z"),
        "data": event.data,
    }
    return json.dumps(said, separators=(",", ":"), sort_keys=True).encode()


def _call(row: Delivery, now: dt.datetime) -> Call | None:
    """Return the signed call of a delivery; None where its secret does not open."""
    endpoint = _endpoint(row)
    sealed = [endpoint.sealed_secret]
    if endpoint.former_until is not None and now < endpoint.former_until:
        sealed += (
            [endpoint.sealed_former_secret] if endpoint.sealed_former_secret else []
        )
    try:
        in_force = [signing.opened(each, uid=endpoint.uid) for each in sealed]
    except SealBrokenError:
        return None
    body = body_of(row.event)
    headers = signing.headers(
        body,
        event_id=row.event.public_id,
        at_s=int(now.timestamp()),
        secrets_in_force=in_force,
    )
    if row.is_replay:
        headers |= {REPLAY_HEADER: "true"}
    return Call(endpoint.url, headers, body)


def _unsigned() -> Answer:
    return Answer(problem="its secret cannot be opened: rotate it")


def _note(row: Delivery, answer: Answer, now: dt.datetime) -> None:
    if answer.is_success:
        deliveries.note_success(
            row, now=now, status=answer.status, took_ms=answer.took_ms
        )
        return
    problem = answer.problem or f"it answered with {answer.status}"
    deliveries.note_failure(
        row,
        problem=problem,
        status=answer.status,
        took_ms=answer.took_ms,
        wait=dt.timedelta(seconds=answer.retry_after_s),
        now=now,
    )
    endpoint = _endpoint(row)
    log.info(
        "webhook_not_delivered",
        delivery=row.pk,
        endpoint=endpoint.pk,
        attempts=row.attempts,
        problem=problem,
    )
    if row.is_replay:
        return
    deliveries.note_endpoint_failure(endpoint, is_gone=answer.status == _GONE, now=now)


def _endpoint(row: Delivery) -> Endpoint:
    if row.endpoint is None:
        raise ValueError(f"delivery {row.pk} has no endpoint")
    return row.endpoint


def _mail(row: Delivery, now: dt.datetime) -> bool:
    address = mails.address_of(row)
    if address is None:
        deliveries.drop(row, reason="nobody is there any more", now=now)
        return False
    try:
        send_noted(
            [mails.message(row, to=address)],
            kind=Mail.Kind.ALERT,
            subject_id=row.pk,
            tenant_id=row.tenant_id,
            now=now,
        )
    except (OSError, SMTPException) as error:
        # Not the error's text: a mail server's answer repeats the address.
        code = error.smtp_code if isinstance(error, SMTPResponseException) else None
        problem = type(error).__name__ + (f" {code}" if code else "")
        log.warning("alert_not_mailed", delivery=row.pk, error=problem)
        deliveries.note_failure(row, problem=problem, now=now)
        return False
    deliveries.note_success(row, now=now)
    return True
