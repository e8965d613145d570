"""The admin's pages of alerts: a secret is shown once, and no address at all."""

from typing import Any

import pytest
from django.test import Client

from metering.alerts import services
from metering.alerts.models import Crossing, Delivery, Endpoint, Event
from tests.admin import action, confirm, page, signed_in
from tests.factories.alerts import NOW, make_endpoint
from tests.factories.tenants import make_member, make_tenant

ENDPOINT = "alerts_endpoint"
URL = "https://hooks.example.com/in"


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def shown_secret(response: Any) -> str:
    """Return the secret that a page shows, which it may do once."""
    assert response.status_code == 201, response
    assert "no-store" in response["Cache-Control"]
    text = str(response.context["issued_key"])
    assert text.startswith("whsec_")
    return text


def test_an_endpoint_is_made_and_its_secret_shown_once(admin: Client) -> None:
    tenant = make_tenant()
    form = {"tenant": tenant.pk, "name": "bot", "url": URL, "events": ["budget.spent"]}
    secret = shown_secret(admin.post(page(ENDPOINT, "add"), form))
    row = Endpoint.objects.get()
    assert (row.tenant, row.events) == (tenant, ["budget.spent"])
    seen = admin.get(page(ENDPOINT, "change", row.pk)).content.decode()
    assert secret not in seen
    assert URL in seen


def test_an_address_that_is_never_called_is_said_on_the_page(admin: Client) -> None:
    form = {"name": "bot", "url": "https://10.0.0.1/", "events": []}
    response = admin.post(page(ENDPOINT, "add"), form, follow=True)
    assert "is private" in response.content.decode()
    assert not Endpoint.objects.exists()


def test_a_secret_is_rotated_with_an_overlap(admin: Client) -> None:
    row = make_endpoint().row
    address = action(ENDPOINT, "rotate", row.pk)
    assert admin.get(address).status_code == 200
    shown_secret(admin.post(address, {"overlap_s": "3600"}))
    row.refresh_from_db()
    assert row.former_until is not None
    assert row.sealed_former_secret is not None


def test_what_may_be_done_with_an_endpoint(admin: Client) -> None:
    row = make_endpoint().row
    for act, state in (
        ("test", "active"),
        ("pause", "paused"),
        ("resume", "active"),
        ("remove", "removed"),
    ):
        confirm(admin, action(ENDPOINT, act, row.pk))
        row.refresh_from_db()
        assert row.state == state, act
    assert Delivery.objects.get().event.type == "webhook_endpoint.test"


def test_deliveries_show_the_last_error_and_whom_without_an_address(
    admin: Client,
) -> None:
    tenant = make_tenant(billing_email="bills@example.com")
    member = make_member(tenant=tenant)
    services.send_test(endpoint=make_endpoint(tenant=tenant).row, now=NOW)
    event = Event.objects.get()
    for reader in (member, None):
        Delivery.objects.create(
            tenant=tenant,
            event=event,
            channel="mail",
            member=reader,
            created_at=NOW,
            last_error="SMTPDataError 451",
        )
    text = admin.get(page("alerts_delivery", "changelist")).content.decode()
    assert text.count("SMTPDataError 451") == 2
    assert f"member {member.pk}" in text
    assert "bills@example.com" not in text
    assert member.email not in text
    for row in Delivery.objects.all():
        shown = admin.get(page("alerts_delivery", "change", row.pk))
        assert "webhook_endpoint.test" in shown.content.decode()


def test_crossings_say_what_was_used_of_how_much(admin: Client) -> None:
    tenant = make_tenant(currency="EUR")
    for kind, is_hard in (("quota", True), ("budget", False)):
        Crossing.objects.create(
            tenant=tenant,
            window_id=1,
            level="project",
            holder_id=7,
            kind=kind,
            is_hard=is_hard,
            share=80,
            limit_amount=2 * 10**12,
            used=16 * 10**11,
            was_told=True,
            crossed_at=NOW,
        )
    text = admin.get(page("alerts_crossing", "changelist")).content.decode()
    assert "1.60 of 2.00 EUR" in text
    assert "1,600,000,000,000 of 2,000,000,000,000 tokens" in text
    assert "project 7" in text
    for row in Crossing.objects.all():
        assert admin.get(page("alerts_crossing", "change", row.pk)).status_code == 200
