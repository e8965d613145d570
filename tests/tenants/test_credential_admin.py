"""The admin's pages of keys and tokens: issue, narrow, rotate, stop, find."""

import datetime as dt
import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections
from django.test import Client
from django.utils import timezone

from inference.control.models import Publication, Pulse
from kit import api_keys
from kit.orm.roles import OPERATOR
from kit.scopes import DATA_PLANE
from tenants import services
from tenants.models import ApiKey, KeyUse, ManagementToken
from tests.admin import action, confirm, page, signed_in, submit, words
from tests.factories.control import make_model
from tests.factories.tenants import (
    make_key,
    make_member,
    make_project,
    make_tenant,
    make_token,
)
from tests.pages.operations.pulses import make_pulse

KEY, TOKEN = "tenants_apikey", "tenants_managementtoken"


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def issued_text(response: Any) -> str:
    """Return the credential that a page shows, which it may do once."""
    assert response.status_code == 201, response
    assert "no-store" in response["Cache-Control"]
    text = str(response.context["issued_key"])
    assert response.content.decode().count(text) == 1
    return text


def listed(client: Client, model: str, query: str) -> set[str]:
    """Return the names of the rows that a list shows."""
    response = client.get(f"{page(model, 'changelist')}?{query}")
    assert response.status_code == 200
    return {row.name for row in response.context["cl"].result_list}


def note_use(key: ApiKey, *, at: dt.datetime) -> None:
    """Note a use of a key."""
    KeyUse.objects.create(api_key=key, tenant=key.tenant, last_used_at=at, model="m")


def test_a_narrow_key_is_issued(admin: Client) -> None:
    project, model = make_project(), make_model().name
    form = {
        "project": project.pk,
        "name": "batch",
        "scopes": ["generate", "embed"],
        "allowed_models": [model],
        "allowed_networks": "10.0.0.0/8\r\n2001:DB8::/32",
        "priority": "flex",
    }
    text = issued_text(admin.post(page(KEY, "add"), form))
    row = ApiKey.objects.get(name="batch")
    assert api_keys.shown(text) == row.shown
    assert row.scopes == ["embed", "generate"]
    assert (row.allowed_models, row.priority) == ([model], "flex")
    assert row.allowed_networks == ["10.0.0.0/8", "2001:db8::/32"]


def test_a_wrong_network_is_said_beside_its_field(admin: Client) -> None:
    form = {
        "project": make_project().pk,
        "name": "batch",
        "scopes": ["generate"],
        "allowed_networks": "10.1.2.3/8",
        "priority": "default",
    }
    response = admin.post(page(KEY, "add"), form)
    assert "write 10.0.0.0/8" in words(response.content)
    assert ApiKey.objects.count() == 0


def test_projects_are_asked_for_as_they_are_typed(admin: Client) -> None:
    tenant = make_tenant(slug="acme")
    project = make_project(tenant=tenant, slug="web")
    archived = make_project(tenant=tenant, slug="web-old")
    services.archive_project(project=archived, now=timezone.now())
    form = admin.get(page(KEY, "add")).content.decode()
    assert "acme" not in form
    asked = {
        "term": "web",
        "app_label": "tenants",
        "model_name": "apikey",
        "field_name": "project",
    }
    answer = json.loads(admin.get(page(KEY, "projects"), asked).content)
    assert answer["results"] == [{"id": str(project.pk), "text": "acme / web"}]


def test_a_key_is_narrowed_on_its_page(admin: Client) -> None:
    row = make_key().row
    address = page(KEY, "change", row.pk)
    values = {
        "name": "narrow",
        "scopes": ["embed"],
        "allowed_networks": "192.0.2.7",
        "priority": "default",
    }
    response = submit(admin, address, values)
    assert response.status_code == 302, words(response.content)
    row.refresh_from_db()
    assert (row.name, row.scopes) == ("narrow", ["embed"])
    assert row.allowed_networks == ["192.0.2.7/32"]


@pytest.mark.parametrize("model", [KEY, TOKEN])
def test_rotating_asks_for_the_overlap_and_shows_the_new_one(
    admin: Client, model: str
) -> None:
    row: Any = make_key().row if model == KEY else make_token().row
    address = action(model, "rotate", row.pk)
    asked = admin.get(address)
    assert "takes the place of" in words(asked.content)
    assert type(row).objects.count() == 1
    wrong = admin.post(address, {"overlap_s": "99"}, follow=True)
    assert "Choose how long" in words(wrong.content)
    text = issued_text(admin.post(address, {"overlap_s": "0"}))
    new = type(row).objects.get(replaces=row)
    assert new.shown == api_keys.shown(text)
    row.refresh_from_db()
    assert row.expires_at <= timezone.now()
    again = admin.post(address, {"overlap_s": "0"}, follow=True)
    assert f"was replaced by {'key' if model == KEY else 'token'} {new.pk}" in words(
        again.content
    )
    assert text not in str(list(LogEntry.objects.values()))


def test_rotating_takes_a_csrf_token(operator_db: None) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = signed_in().cookies
    row = make_key().row
    response = careful.post(action(KEY, "rotate", row.pk), {"overlap_s": "0"})
    assert response.status_code == 403
    assert ApiKey.objects.count() == 1


def test_disabling_enabling_and_revoking_say_what_they_hit(admin: Client) -> None:
    row = make_key().row
    unused = admin.get(action(KEY, "revoke", row.pk))
    assert "never used" in words(unused.content)
    note_use(row, at=timezone.now())
    dialog = words(admin.get(action(KEY, "disable", row.pk)).content)
    assert "Requests in the last hour: 0." in dialog
    confirm(admin, action(KEY, "disable", row.pk))
    row.refresh_from_db()
    assert row.disabled_at
    confirm(admin, action(KEY, "enable", row.pk))
    confirm(admin, action(KEY, "revoke", row.pk))
    row.refresh_from_db()
    assert row.disabled_at is None
    assert row.revoked_at


@pytest.mark.parametrize("name", ["revoke_keys", "disable_keys"])
def test_many_keys_are_stopped_at_once(admin: Client, name: str) -> None:
    rows = [make_key().row for _ in range(3)]
    values = {"action": name, "_selected_action": [row.pk for row in rows]}
    asked = admin.post(page(KEY, "changelist"), values)
    assert "Keys used in the last hour: 0." in words(asked.content)
    admin.post(page(KEY, "changelist"), {**values, "confirmed": "1"})
    ended = "revoked_at" if name == "revoke_keys" else "disabled_at"
    assert ApiKey.objects.filter(**{f"{ended}__isnull": False}).count() == 3


def test_lists_are_narrowed_by_state_use_and_expiry(admin: Client) -> None:
    now = timezone.now()
    make_key(name="fresh")
    disabled = make_key(name="disabled").row
    services.disable_key(api_key=disabled, now=now)
    unused, idle, ending = (make_key(name=name).row for name in ("u", "i", "e"))
    old = now - dt.timedelta(days=100)
    ApiKey.objects.filter(pk__in=[unused.pk, idle.pk]).update(created_at=old)
    note_use(idle, at=now - dt.timedelta(days=91))
    services.update_key(api_key=ending, expires_at=now + dt.timedelta(days=13))
    assert listed(admin, KEY, "state=disabled") == {"disabled"}
    assert listed(admin, KEY, "state=active") == {"fresh", "u", "i", "e"}
    assert listed(admin, KEY, "upkeep=unused") == {"u", "i"}
    assert listed(admin, KEY, "upkeep=expiring") == {"e"}


def test_a_key_is_found_by_all_that_people_know_of_it(admin: Client) -> None:
    tenant = make_tenant(slug="acme")
    project = make_project(tenant=tenant, slug="website")
    member = make_member(tenant=tenant, role="owner", email="jo@acme.example")
    issued = services.issue_key(
        tenant=tenant, project=project, name="laptop", member=member
    )
    make_key(name="other")
    for term in ("laptop", issued.row.shown[:9], "acme", "website", "jo@acme.example"):
        assert listed(admin, KEY, f"q={term}") == {"laptop"}, term
    found = admin.get(page(KEY, "changelist"), {"q": issued.key})
    assert found["Location"] == page(KEY, "change", issued.row.pk)


def test_the_list_costs_the_same_however_many_keys_there_are(
    admin: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(8):
        note_use(make_key().row, at=timezone.now())
    with django_assert_max_num_queries(20, connection=connections[OPERATOR]):
        admin.get(page(KEY, "changelist"))


def test_tokens_are_issued_for_operators_and_tenants(admin: Client) -> None:
    form = {"name": "deploy", "scopes": ["operate:read", "usage:read"]}
    text = issued_text(admin.post(page(TOKEN, "add"), form))
    assert text.startswith(api_keys.OPERATOR_TOKEN_PREFIX)
    tenant = make_tenant()
    wrong = admin.post(page(TOKEN, "add"), {**form, "tenant": tenant.pk})
    assert "holds no scope of operators" in words(wrong.content)
    right = {"name": "report", "tenant": tenant.pk, "scopes": ["usage:read"]}
    text = issued_text(admin.post(page(TOKEN, "add"), right))
    assert text.startswith(api_keys.TENANT_TOKEN_PREFIX)
    row = ManagementToken.objects.get(name="report")
    for address in (page(TOKEN, "changelist"), page(TOKEN, "change", row.pk)):
        assert text not in admin.get(address).content.decode()


def test_a_token_is_narrowed_and_revoked(admin: Client) -> None:
    row = make_token(scopes=["usage:read", "keys:read"]).row  # type: ignore[list-item]
    values = {"name": "less", "scopes": ["keys:read"]}
    response = submit(admin, page(TOKEN, "change", row.pk), values)
    assert response.status_code == 302, words(response.content)
    row.refresh_from_db()
    assert row.scopes == ["keys:read"]
    confirm(admin, action(TOKEN, "revoke", row.pk))
    row.refresh_from_db()
    assert row.revoked_at
    assert admin.get(page(TOKEN, "change", row.pk)).status_code == 200


def test_all_scopes_of_keys_are_ticked_at_first(admin: Client) -> None:
    form = admin.get(page(KEY, "add")).context["adminform"].form
    assert form["scopes"].value() == sorted(DATA_PLANE)


@pytest.mark.parametrize("model", [KEY, TOKEN, "tenants_member"])
def test_a_dialog_about_no_row_is_404(admin: Client, model: str) -> None:
    name = "remove" if model == "tenants_member" else "revoke"
    assert admin.get(action(model, name, 9_999_999)).status_code == 404


def test_a_key_says_on_how_many_gateways_it_is_stopped(admin: Client) -> None:
    key, now = make_key().row, timezone.now()
    address = page(KEY, "change", key.pk)
    assert "no gateway says that it runs" in words(admin.get(address).content)
    published = Publication.objects.get(kind="api_key", key=key.digest)
    make_pulse("gateway-1", now=now, version=published.version)
    make_pulse("gateway-2", now=now, version=published.version - 1)
    assert "opens on 1 of 2 gateways" in words(admin.get(address).content)
    confirm(admin, action(KEY, "revoke", key.pk))
    assert "stopped on 0 of 2 gateways" in words(admin.get(address).content)
    published.refresh_from_db()
    Pulse.objects.update(body={"version": published.version})
    assert "stopped on 2 of 2 gateways" in words(admin.get(address).content)
