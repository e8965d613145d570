"""A form of the admin that is sent twice makes one thing, and shows its text once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from kit import sent_once
from kit.money import PICOS_PER_UNIT
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from metering.alerts.models import Endpoint
from metering.ledger.models import CreditGrant
from tenants.models import ApiKey, Tenant
from tests.admin import action, page, signed_in
from tests.admin.forms import fields_of
from tests.concurrency import wait_until_blocked
from tests.factories.alerts import make_endpoint
from tests.factories.tenants import make_key, make_project, make_tenant

pytestmark = pytest.mark.usefixtures("fresh_database")

CREDIT = "ledger_creditgrant"
KEY, ENDPOINT, TENANT = "tenants_apikey", "alerts_endpoint", "tenants_tenant"


@pytest.fixture
def admin() -> Client:
    """Provide an operator's session."""
    with as_operator():
        return signed_in()


def nonce(admin: Client, address: str) -> dict[str, str]:
    """Open a form and return its nonce, as a browser sends it."""
    return {sent_once.FIELD: fields_of(admin.get(address))[sent_once.FIELD]}


def new_key() -> dict[str, Any]:
    """Return what the form of a new key is filled in with."""
    project = make_project()
    return {
        "project": project.pk,
        "name": "laptop",
        "scopes": ["generate"],
        "priority": "default",
    }


def test_a_key_is_issued_once_however_often_its_form_is_sent(admin: Client) -> None:
    address, form = page(KEY, "add"), new_key()
    form |= nonce(admin, address)
    first = admin.post(address, form)
    text = str(first.context["issued_key"])
    with as_operator():
        (row,) = ApiKey.objects.all()
    again = admin.post(address, form, follow=True)
    said = again.content.decode()
    assert again.redirect_chain == [(page(KEY, "change", row.pk), 302)]
    assert "The form was sent already" in said
    assert text not in said
    with as_operator():
        assert ApiKey.objects.count() == 1


def test_each_tab_has_a_form_of_its_own(admin: Client) -> None:
    address, form = page(KEY, "add"), new_key()
    tabs = [nonce(admin, address) for _ in range(2)]
    for tab in tabs:
        assert admin.post(address, form | tab).status_code == 201
    with as_operator():
        assert ApiKey.objects.count() == 2


def test_a_key_and_a_secret_are_rotated_once(admin: Client) -> None:
    for address in (
        action(KEY, "rotate", make_key().row.pk),
        action(ENDPOINT, "rotate", make_endpoint().row.pk),
    ):
        form = {"overlap_s": "3600", **nonce(admin, address)}
        assert admin.post(address, form).status_code == 201
        with as_operator():
            rows = ApiKey.objects.count(), bytes(Endpoint.objects.get().sealed_secret)
        said = admin.post(address, form, follow=True).content.decode()
        assert "The form was sent already" in said
        with as_operator():
            assert rows == (
                ApiKey.objects.count(),
                bytes(Endpoint.objects.get().sealed_secret),
            )


def test_a_form_that_was_refused_may_be_sent_again_as_it_is(admin: Client) -> None:
    address, form = page(KEY, "add"), new_key()
    form |= nonce(admin, address)
    assert admin.post(address, {**form, "name": ""}).status_code == 200
    assert admin.post(address, form).status_code == 201


def test_a_form_of_another_session_makes_nothing(admin: Client) -> None:
    address, form = page(KEY, "add"), new_key()
    form |= {sent_once.FIELD: "made up"}
    said = admin.post(address, form, follow=True).content.decode()
    assert "Nothing was done" in said
    with as_operator():
        assert not ApiKey.objects.exists()


def test_what_shows_no_secret_leads_to_the_same_page_again(admin: Client) -> None:
    address = page(TENANT, "add")
    form = fields_of(admin.get(address)) | {"name": "Acme", "slug": "acme-twice"}
    answers = [admin.post(address, form) for _ in range(2)]
    assert [each.status_code for each in answers] == [302, 302]
    assert answers[0]["Location"] == answers[1]["Location"]
    with as_operator():
        assert Tenant.objects.filter(slug="acme-twice").count() == 1


def test_of_two_clicks_at_once_one_issues_a_key(admin: Client) -> None:
    address, form = page(KEY, "add"), new_key()
    form |= nonce(admin, address)

    def click() -> int:
        other = Client()
        other.cookies = admin.cookies
        try:
            return other.post(address, form).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as clicks:
        with as_operator(), atomic():
            # The first issues no key before this ends; the second waits for the first.
            Tenant.objects.select_for_update().get()
            answers = [clicks.submit(click) for _ in range(2)]
            wait_until_blocked(2)
        assert sorted(each.result() for each in answers) == [201, 302]
    with as_operator():
        assert ApiKey.objects.count() == 1


def test_what_a_dialog_takes_back_is_taken_back_once(admin: Client) -> None:
    make_tenant(slug="acme", currency="EUR", payment_mode="prepaid")
    body = {"tenant": "acme", "source": "top_up", "amount": "20", "priority": "100"}
    admin.post(page(CREDIT, "add"), {**body, "reference": "bank 7"})
    with as_operator():
        grant = CreditGrant.objects.get()
    address = action(CREDIT, "reverse", grant.pk)
    form = {"_form_submitted": "True", "amount": "5", "reversal": "refund"}
    form |= nonce(admin, address)
    for _ in range(2):
        assert admin.post(address, form).status_code == 302
    with as_operator():
        grant.refresh_from_db()
    assert grant.reversed_picos == 5 * PICOS_PER_UNIT
    # A dialog that is opened anew is another one.
    assert admin.post(address, form | nonce(admin, address)).status_code == 302
    with as_operator():
        grant.refresh_from_db()
    assert grant.reversed_picos == 10 * PICOS_PER_UNIT
