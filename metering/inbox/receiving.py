"""Take a webhook of Stripe in: whose it is, whether it may be believed, then keep it.

Nothing of a body is parsed before its signature was found to be ours. Failure: what may
not be believed is refused, and leaves no trace but a line in the log; what was written
for another version of the API is kept and parked.
"""

import datetime as dt

import structlog

from kit.errors import InvalidRequest, NotFound
from metering.billing.accounts import Account, UnknownAccount, account_named
from metering.inbox import services
from metering.inbox.models import WebhookEvent
from metering.inbox.told import told_by

log = structlog.get_logger(__name__)


def open_account(name: str) -> Account:
    """Return an account whose webhooks are taken; raises `NotFound`."""
    try:
        account = account_named(name)
    except UnknownAccount:
        raise NotFound("No webhooks are taken at this address.") from None
    if not account.webhook_secrets:
        raise NotFound("No webhooks are taken at this address.")
    return account


def receive(
    payload: bytes, signature: str, *, account: Account, now: dt.datetime
) -> None:
    """Keep the event that a webhook tells of; one that is here already is left alone.

    Raises `InvalidRequest` for what may not be believed.
    """
    # Only here is the SDK needed: without Stripe it stays out of the process.
    from metering.billing.providers.stripe.client import (  # noqa: PLC0415
        API_VERSION,
        events,
        webhooks,
    )

    if not webhooks.is_signed(
        payload, signature, secrets=account.webhook_secrets, now=now
    ):
        # Anybody can send this; it is no news.
        log.info("webhook_not_signed", account=account.name)
        raise InvalidRequest("It is not signed by a secret of ours, just now.")
    try:
        event = events.event_in(payload)
    except events.Unreadable as why:
        raise _refused(account, str(why)) from None
    if event.is_live != account.is_live:
        raise _refused(account, "It is of live mode, and our key is not, or reversely.")
    if event.account not in {"", account.account_id}:
        raise _refused(account, "It is of another account.")
    problem = ""
    if event.api_version not in {"", API_VERSION}:
        problem = (
            f"It was written for version {event.api_version} of Stripe's API: set the"
            f" endpoint to {API_VERSION}, then drive this event anew."
        )
    services.take_in(
        [told_by(event)],
        account=account.name,
        source=WebhookEvent.Source.WEBHOOK,
        now=now,
        problem=problem,
    )


def _refused(account: Account, why: str) -> InvalidRequest:
    log.warning("webhook_refused", account=account.name, why=why)
    return InvalidRequest(why)
