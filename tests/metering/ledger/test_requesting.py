"""Credit above a limit: one person asks, another grants it, nobody does both."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from kit.errors import Conflict, PermissionDenied
from kit.money import picos_from_decimal
from kit.orm.atomic import atomic
from metering.ledger import requesting
from metering.ledger.models import CreditGrant
from metering.ledger.request_models import GrantRequest
from tenants.models import AuditEntry, Tenant
from tests.admin import action, confirm, page, words
from tests.factories.accounts import make_staff, sign_in
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")

GRANT, REQUEST = "ledger_creditgrant", "ledger_grantrequest"
JSON = "application/json"
LIMIT = picos_from_decimal("1000")
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
TERMS: dict[str, Any] = {
    "source": "promotional",
    "amount_picos": 2 * LIMIT,
    "reference": "a large customer",
}


@pytest.fixture(autouse=True)
def limit(settings: Any) -> None:
    """Let one person grant up to 1,000."""
    settings.GRANT_APPROVAL_ABOVE_PICOS = LIMIT


@pytest.fixture
def tenant(operator_db: None) -> Tenant:
    """Provide who gets the credit."""
    return make_tenant(slug="large")


@pytest.fixture
def asker(operator_db: None) -> User:
    """Provide somebody who may ask."""
    return make_staff("Operators")


@pytest.fixture
def approver(operator_db: None) -> User:
    """Provide somebody who may approve."""
    return make_staff("Finance approvers")


def asked(tenant: Tenant, by: User) -> GrantRequest:
    """Ask for twice the limit."""
    return requesting.ask_grant(tenant=tenant, asked_by_id=by.pk, now=NOW, **TERMS)


def form(amount: str) -> dict[str, str]:
    """Fill in what is granted or asked for."""
    return {
        "tenant": "large",
        "source": "promotional",
        "amount": amount,
        "reference": "a large customer",
        "priority": "50",
    }


def test_up_to_the_limit_one_person_grants_and_above_it_asks(
    tenant: Tenant, asker: User, approver: User
) -> None:
    client = sign_in(Client(), asker)
    above = client.post(page(GRANT, "add"), form("1000.01"), follow=True)
    said = words(above.content)
    assert "Above 1,000.00 USD another person has to approve" in said
    assert not CreditGrant.objects.exists()
    client.post(page(REQUEST, "add"), form("1000.01"))
    row = GrantRequest.objects.get()
    assert (row.state, row.asked_by_id) == ("waiting", asker.pk)
    assert client.get(action(REQUEST, "approve", row.pk)).status_code == 403

    other = sign_in(Client(), approver)
    dialog = words(other.get(action(REQUEST, "approve", row.pk)).content)
    assert "1,000.01 USD for a large customer" in dialog
    assert "Available now: 0.00 USD; with it: 1,000.01 USD." in dialog
    confirm(other, action(REQUEST, "approve", row.pk))
    row.refresh_from_db()
    grant = CreditGrant.objects.get()
    assert (row.state, row.decided_by_id, row.grant) == ("approved", approver.pk, grant)
    assert grant.amount_picos == picos_from_decimal("1000.01")
    confirm(other, action(REQUEST, "approve", row.pk))
    assert CreditGrant.objects.count() == 1
    told = AuditEntry.objects.filter(object_kind="grant_request").order_by("id")
    assert [each.action for each in told] == ["ask", "approve"]


def test_exactly_the_limit_takes_one(tenant: Tenant, asker: User) -> None:
    sign_in(client := Client(), asker)
    client.post(page(GRANT, "add"), form("1000.00"))
    assert CreditGrant.objects.get().amount_picos == LIMIT


def test_without_a_limit_nothing_takes_two(
    tenant: Tenant, asker: User, settings: Any
) -> None:
    settings.GRANT_APPROVAL_ABOVE_PICOS = None
    sign_in(client := Client(), asker)
    client.post(page(GRANT, "add"), form("999999999.00"))
    assert CreditGrant.objects.get().amount_picos == picos_from_decimal("999999999")
    assert not GrantRequest.objects.exists()


def test_who_asked_decides_nothing_whatever_their_rights(
    tenant: Tenant, asker: User
) -> None:
    asker.is_superuser = True
    row = asked(tenant, asker)
    for decide in (requesting.approve_grant, requesting.decline_grant):
        with pytest.raises(PermissionDenied, match="another person"):
            decide(request=row, by=asker, now=NOW)
    with pytest.raises(IntegrityError, match="by_two"), atomic():
        GrantRequest.objects.update(
            state="declined", decided_by_id=asker.pk, decided_at=NOW
        )
    assert not CreditGrant.objects.exists()


def test_what_was_declined_is_not_approved_and_may_be_asked_anew(
    tenant: Tenant, asker: User, approver: User
) -> None:
    row = asked(tenant, asker)
    assert asked(tenant, asker).pk == row.pk
    requesting.decline_grant(request=row, by=approver, now=NOW)
    with pytest.raises(Conflict, match="declined already"):
        requesting.approve_grant(request=row, by=approver, now=NOW)
    again = asked(tenant, asker)
    assert again.pk != row.pk
    requesting.approve_grant(request=again, by=approver, now=timezone.now())
    with pytest.raises(Conflict, match="granted under this reference"):
        asked(tenant, asker)


def test_who_approves_is_told_on_the_front_page(
    tenant: Tenant, asker: User, approver: User
) -> None:
    asked(tenant, asker)
    shown = words(sign_in(Client(), approver).get("/admin/").content)
    assert "1 grant of credit to approve" in shown


def test_the_api_grants_alone_only_up_to_the_limit(
    tenant: Tenant, operator: Client
) -> None:
    body = {
        "tenant": tenant.pk,
        "source": "promotional",
        "amount": "1000.01",
        "reference": "by a token",
    }
    refused = operator.post("/api/v1/credit-grants/", body, JSON)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "takes_two"
    answer = operator.post(
        "/api/v1/credit-grants/", {**body, "amount": "1000.00"}, JSON
    )
    assert answer.status_code == 201
