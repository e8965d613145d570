"""Webhooks as Stripe sends them, and as others would."""

import datetime as dt
import hashlib
import hmac
import json
from typing import Any

from django.test import Client
from django.utils import timezone

from metering.billing.providers.stripe.client import API_VERSION

SECRET = "whsec_of_ours"
ADDRESS = "/webhooks/stripe/"


def event(**changes: Any) -> dict[str, Any]:
    """Return an event, as Stripe writes it."""
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": API_VERSION,
        "created": 1_795_000_000,
        "data": {"object": {"id": "in_1", "object": "invoice", "status": "paid"}},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_1", "idempotency_key": None},
        "type": "invoice.paid",
        **changes,
    }


def body_of(**changes: Any) -> bytes:
    return json.dumps(event(**changes)).encode()


def signed(
    payload: bytes,
    *,
    secret: str = SECRET,
    age: dt.timedelta = dt.timedelta(0),
) -> str:
    """Return the header that Stripe would send with these bytes."""
    at = int((timezone.now() - age).timestamp())
    signature = hmac.new(secret.encode(), b"%d." % at + payload, hashlib.sha256)
    return f"t={at},v1={signature.hexdigest()}"


def post(
    payload: bytes,
    signature: str | None = None,
    *,
    to: str = ADDRESS,
    content_type: str = "application/json; charset=utf-8",
) -> Any:
    """Send a webhook, signed by our secret unless told otherwise."""
    header = signed(payload) if signature is None else signature
    # Whoever calls has no cookie and no token of a form.
    caller = Client(enforce_csrf_checks=True)
    return caller.post(
        to,
        data=payload,
        content_type=content_type,
        headers={"stripe-signature": header} if header else {},
    )
