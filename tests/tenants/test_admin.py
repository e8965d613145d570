"""The admin's pages of tenants, projects and keys load, act, and delete nothing."""

import logging

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.contrib.sessions.models import Session
from django.test import Client

from inference.control.models import Publication
from kit import api_keys
from tenants.models import ApiKey, Project, Tenant
from tests.admin import (
    action,
    confirm,
    page,
    signed_in,
    submit,
    words,
)
from tests.factories.tenants import default_project, make_key, make_project, make_tenant

TENANT, PROJECT, KEY = "tenants_tenant", "tenants_project", "tenants_apikey"
DIALOGS = [
    (TENANT, "suspend"),
    (TENANT, "restore"),
    (PROJECT, "archive"),
    (KEY, "revoke"),
]


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def make(model: str) -> int:
    """Create a row of the named model and return its id."""
    if model == TENANT:
        return make_tenant().pk
    return make_project().pk if model == PROJECT else make_key().row.pk


def everything() -> list[tuple[object, ...]]:
    """Return all rows, to see that nothing changed."""
    rows: list[tuple[object, ...]] = []
    for model in (Tenant, Project, ApiKey):
        rows += model._default_manager.order_by("pk").values_list()
    return rows


@pytest.mark.parametrize("model", [TENANT, PROJECT, KEY])
def test_pages_load_and_search(admin: Client, model: str) -> None:
    row = make(model)
    for address in (
        page(model, "changelist"),
        page(model, "changelist") + "?q=tenant",
        page(model, "add"),
        page(model, "change", row),
        page(model, "history", row),
    ):
        assert admin.get(address).status_code == 200, address


@pytest.mark.parametrize("model", [TENANT, PROJECT, KEY])
def test_nothing_is_deleted(admin: Client, model: str) -> None:
    row = make(model)
    assert admin.post(page(model, "delete", row), {"post": "yes"}).status_code == 403
    listed = admin.get(page(model, "changelist"))
    assert b"delete_selected" not in listed.content


@pytest.mark.parametrize("address", ["/admin/", "/admin/tenants/tenant/"])
def test_strangers_are_sent_to_sign_in(operator_db: None, address: str) -> None:
    response = Client().get(address)
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


@pytest.mark.parametrize(("model", "name"), DIALOGS)
def test_actions_ask_first_and_happen_by_post_only(
    admin: Client, model: str, name: str
) -> None:
    row = make(model)
    before = everything()
    dialog = admin.get(action(model, name, row))
    assert dialog.status_code == 200
    assert b"csrfmiddlewaretoken" in dialog.content
    assert everything() == before


def test_an_action_without_a_csrf_token_is_refused(operator_db: None) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = signed_in().cookies
    tenant = make_tenant()
    response = confirm(careful, action(TENANT, "suspend", tenant.pk))
    assert response.status_code == 403
    tenant.refresh_from_db()
    assert tenant.state == Tenant.State.ACTIVE


def test_a_tenant_is_created_with_its_project_and_published(admin: Client) -> None:
    form = {
        "slug": "acme",
        "name": "Acme",
        "currency": "EUR",
        "zone": "Europe/Berlin",
        "period_day": "15",
    }
    assert admin.post(page(TENANT, "add"), form).status_code == 302
    tenant = Tenant.objects.get(slug="acme")
    assert default_project(tenant).name == "Default"
    assert tenant.period_day == 15
    entry = Publication.objects.get(kind=Publication.Kind.TENANT, key=str(tenant.pk))
    assert entry.body is not None
    assert entry.body["currency"] == "EUR"
    assert LogEntry.objects.filter(object_id=str(tenant.pk)).exists()


def test_a_taken_slug_is_said_on_the_form(admin: Client) -> None:
    make_tenant(slug="acme")
    form = {"slug": "acme", "name": "Acme", "currency": "EUR", "zone": "UTC"}
    response = admin.post(page(TENANT, "add"), form)
    assert response.status_code == 200
    assert "already exists" in words(response.content)


def test_slug_and_currency_are_not_on_the_change_form(admin: Client) -> None:
    tenant = make_tenant(slug="acme")
    form = {
        "slug": "other",
        "currency": "JPY",
        "name": "New",
        "zone": "UTC",
        "period_day": "1",
    }
    assert submit(admin, page(TENANT, "change", tenant.pk), form).status_code == 302
    tenant.refresh_from_db()
    assert (tenant.slug, tenant.currency, tenant.name) == ("acme", "USD", "New")


def test_suspending_counts_the_keys_and_restoring_undoes_it(admin: Client) -> None:
    tenant = make_tenant()
    make_key(tenant=tenant)
    make_key(tenant=tenant)
    dialog = admin.get(action(TENANT, "suspend", tenant.pk))
    assert "refused from now on: 2." in words(dialog.content)
    confirm(admin, action(TENANT, "suspend", tenant.pk))
    tenant.refresh_from_db()
    assert tenant.state == Tenant.State.SUSPENDED
    confirm(admin, action(TENANT, "restore", tenant.pk))
    tenant.refresh_from_db()
    assert tenant.state == Tenant.State.ACTIVE


def test_a_tenant_is_made_prepaid_and_postpaid_again(admin: Client) -> None:
    tenant = make_tenant()
    for name, mode in (("prepay", "prepaid"), ("postpay", "postpaid")):
        confirm(admin, action(TENANT, name, tenant.pk))
        tenant.refresh_from_db()
        assert tenant.payment_mode == mode


def test_a_dialog_of_an_unknown_row_is_404(admin: Client) -> None:
    assert confirm(admin, action(KEY, "revoke", 999_999)).status_code == 404


def test_a_dialog_of_what_is_no_id_is_404(admin: Client) -> None:
    address = action(TENANT, "suspend", 1).replace("/1/", "/one/")
    assert admin.get(address).status_code == 404
    assert confirm(admin, address).status_code == 404


def test_a_new_key_is_shown_once_and_stands_nowhere_else(
    admin: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    project = make_project()
    form = {"project": project.pk, "name": "laptop", "scopes": ["generate"]}
    form["priority"] = "default"
    issued = admin.post(page(KEY, "add"), form)
    row = ApiKey.objects.get(name="laptop")
    key = str(issued.context["issued_key"])
    assert api_keys.is_well_formed(key)
    assert issued.status_code == 201
    assert issued.content.decode().count(key) == 1
    assert "no-store" in issued["Cache-Control"]
    for address in (
        page(KEY, "changelist"),
        page(KEY, "change", row.pk),
        page(KEY, "history", row.pk),
        "/admin/",
    ):
        assert key not in admin.get(address).content.decode()
    assert key not in caplog.text
    assert key not in str(list(LogEntry.objects.values()))
    sessions = [session.get_decoded() for session in Session.objects.all()]
    assert sessions
    assert key not in str(sessions)
    assert not list(get_messages(issued.wsgi_request))


def test_a_key_of_an_archived_project_is_not_offered(admin: Client) -> None:
    project = make_project()
    confirm(admin, action(PROJECT, "archive", project.pk))
    form = {"project": project.pk, "name": "late", "scopes": ["generate"]}
    form["priority"] = "default"
    response = admin.post(page(KEY, "add"), form)
    assert response.status_code == 200
    assert not ApiKey.objects.filter(name="late").exists()


def test_an_expiry_in_the_past_is_a_message(admin: Client) -> None:
    form = {
        "project": make_project().pk,
        "name": "old",
        "scopes": ["generate"],
        "priority": "default",
        "expires_at_0": "2020-01-01",
        "expires_at_1": "00:00:00",
    }
    response = admin.post(page(KEY, "add"), form, follow=True)
    assert "Give an expiry in the future." in words(response.content)
    assert not ApiKey.objects.filter(name="old").exists()


def test_a_revoked_key_is_read_only(admin: Client) -> None:
    row = make_key(name="before").row
    confirm(admin, action(KEY, "revoke", row.pk))
    submit(admin, page(KEY, "change", row.pk), {"name": "after"})
    row.refresh_from_db()
    assert row.revoked_at is not None
    assert row.name == "before"
    entry = Publication.objects.get(kind=Publication.Kind.API_KEY, key=row.digest)
    assert entry.body is None


def test_the_dialogs_own_request_sends_the_page_on(admin: Client) -> None:
    row = make_key().row
    response = admin.post(
        action(KEY, "revoke", row.pk),
        {"_form_submitted": "True"},
        headers={"HX-Request": "true"},
    )
    assert response["HX-Redirect"] == page(KEY, "change", row.pk)
