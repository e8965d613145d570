"""A tenant whose budget crosses a share while a real receiver listens for it."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings

from kit.orm.roles import as_operator
from metering.alerts.calling import Reach
from metering.alerts.models import Delivery
from metering.alerts.sending import call_webhooks
from metering.alerts.watching import scan
from tenants.models import Tenant
from tests.factories.alerts import NOW, make_endpoint, make_window
from tests.factories.limits import make_quota
from tests.factories.tenants import make_tenant
from tests.standins.webhook_receiver import Received, Receiver

REACH = Reach(http_loopback=True)


@contextmanager
def rehearsing() -> Iterator[None]:
    """Let endpoints be on this machine, by plain http."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "WEBHOOK_HTTP_LOOPBACK", True)
        yield


def crossed(receiver: Receiver, **given: Any) -> tuple[Tenant, str]:
    """Have a tenant cross 80 % of a quota; return it and its endpoint's secret."""
    tenant = make_tenant(**given)
    with rehearsing():
        secret = make_endpoint(tenant=tenant, url=receiver.url()).secret
    make_quota(1000, tenant=tenant, warn_at=[80])
    make_window(tenant=tenant, posted=900)
    with as_operator():
        scan(now=NOW)
    return tenant, secret


def call(**given: Any) -> int:
    """Call what is due, as the worker does."""
    with as_operator():
        return call_webhooks(**{"now": NOW, "reach": REACH, **given})


def delivery() -> Delivery:
    """Return the one webhook delivery."""
    with as_operator():
        return Delivery.objects.select_related("event", "endpoint").get(
            channel="webhook"
        )


def verified(request: Received, secret: str, *, now_s: float) -> dict[str, Any]:
    """Verify a request as a receiver does that has read the scheme's text alone."""
    sent_at = int(request.headers["webhook-timestamp"])
    assert abs(now_s - sent_at) <= 300
    signed = (
        request.headers["webhook-id"].encode()
        + b"."
        + request.headers["webhook-timestamp"].encode()
        + b"."
        + request.body
    )
    prefix, _, encoded = secret.partition("_")
    assert prefix == "whsec"
    key = base64.b64decode(encoded)
    assert 24 <= len(key) <= 64
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    given = [
        each.partition(",") for each in request.headers["webhook-signature"].split(" ")
    ]
    assert any(
        version == "v1" and hmac.compare_digest(text.encode(), expected)
        for version, _, text in given
    ), "no signature is right"
    body: dict[str, Any] = json.loads(request.body)
    assert body["id"] == request.headers["webhook-id"]
    return body
