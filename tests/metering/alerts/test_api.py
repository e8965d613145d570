"""The endpoints' operations: whose they are, what they refuse, what they never show."""

from typing import Any

import pytest
from django.db import connections
from django.test import Client

from kit.networks import network_of
from kit.orm.roles import as_operator
from kit.scopes import EVERY, OPERATORS
from metering.alerts.models import Delivery, Endpoint
from tenants.models import AuditEntry, Tenant
from tests.api.callers import Callers
from tests.databases import Database
from tests.factories.alerts import make_endpoint, make_installations_endpoint
from tests.factories.tenants import make_tenant

PATH = "/api/v1/webhook-endpoints/"
URL = "https://hooks.example.com/in"


@pytest.fixture
def tenant(fresh_database: Database) -> Tenant:
    """Provide a tenant."""
    return make_tenant()


def post(client: Client, path: str, body: dict[str, Any]) -> Any:
    """Send a body."""
    return client.post(path, body, content_type="application/json")


def new(**changes: Any) -> dict[str, Any]:
    """Return the body of a new endpoint."""
    return {"name": "bot", "url": URL, **changes}


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_owners_and_admins_make_endpoints_of_their_own(
    caller: Callers, tenant: Tenant, role: str
) -> None:
    client = caller(role=role, tenant=tenant)
    made = post(client, PATH, new())
    assert made.status_code == 201, made.content
    shown = made.json()
    assert shown["tenant"] == tenant.pk
    assert shown["secret"].startswith("whsec_")
    assert made["Cache-Control"] == "no-store"
    again = client.get(f"{PATH}{shown['id']}/")
    assert shown["secret"] not in again.content.decode()
    assert "secret" not in again.json()
    with as_operator():
        row = Endpoint.objects.get()
        entry = AuditEntry.objects.get(object_kind="webhook_endpoint")
    assert shown["secret"].encode() not in bytes(row.sealed_secret)
    assert "secret" not in str(entry.after)


@pytest.mark.parametrize("role", ["developer", "billing", "viewer"])
def test_other_roles_neither_see_nor_make_them(
    caller: Callers, tenant: Tenant, role: str
) -> None:
    client = caller(role=role, tenant=tenant)
    assert client.get(PATH).status_code == 403
    assert post(client, PATH, new()).status_code == 403


def test_a_tenant_sees_neither_anothers_nor_the_installations(
    caller: Callers, tenant: Tenant
) -> None:
    others = [make_endpoint().row, make_installations_endpoint(url=URL).row]
    client = caller(role="owner", tenant=tenant)
    assert client.get(PATH).json()["data"] == []
    for row in others:
        for act in ("", "deliveries/"):
            assert client.get(f"{PATH}{row.pk}/{act}").status_code == 404
        for act in ("rotate", "pause", "resume", "remove", "test"):
            assert post(client, f"{PATH}{row.pk}/{act}/", {}).status_code == 404
    assert post(client, PATH, new(tenant=others[0].tenant_id)).status_code == 400
    # Left out, as null, it is their own.
    assert post(client, PATH, new(tenant=None)).json()["tenant"] == tenant.pk


def test_the_installations_takes_an_operator_of_the_installation(
    caller: Callers, tenant: Tenant
) -> None:
    assert post(caller(), PATH, new()).json()["tenant"] is None
    few = caller(scopes=sorted(EVERY - OPERATORS))
    assert post(few, PATH, new(tenant=tenant.pk)).status_code == 201
    refused = post(few, PATH, new())
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "operators_only"
    with as_operator():
        row = Endpoint.objects.get(tenant=None)
    assert post(few, f"{PATH}{row.pk}/rotate/", {}).status_code == 403


NEVER_CALLED = [
    "http://hooks.example.com/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_SET",
    "hooks.example.com",
    "https://",
    "https:///path",
    "https://user:secret@hooks.example.com/",
    "https://hooks.example.com/#part",
    "https://hooks.example.com:99999/",
    "https://hooks.exam\nple.com/",
    "https://127.0.0.1/",
    "https://[::1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://10.0.0.1:8443/",
    "https://[fd00:ec2::254]/",
    "https://hooks.example.com/" + "x" * 2000,
]


def test_what_is_never_called_is_refused_at_once(
    caller: Callers, tenant: Tenant
) -> None:
    client, row = caller(role="owner", tenant=tenant), make_endpoint(tenant=tenant).row
    taken = []
    for url in NEVER_CALLED:
        made = post(client, PATH, new(url=url))
        moved = client.patch(
            f"{PATH}{row.pk}/", {"url": url}, content_type="application/json"
        )
        for answer in (made, moved):
            if (answer.status_code, answer.json()["error"]["param"]) != (400, "url"):
                taken.append(url)
    assert taken == []


def test_operators_may_name_networks_that_are_called(
    caller: Callers, tenant: Tenant, settings: Any
) -> None:
    settings.WEBHOOK_NETWORKS_ALLOWED = (network_of("10.0.0.0/8"),)
    client = caller(role="owner", tenant=tenant)
    assert post(client, PATH, new(url="https://10.0.0.1/")).status_code == 201
    assert post(client, PATH, new(url="https://192.168.0.1/")).status_code == 400


def test_events_are_those_that_there_are(caller: Callers, tenant: Tenant) -> None:
    client = caller(role="owner", tenant=tenant)
    made = post(client, PATH, new(events=["budget.spent", "budget.spent"])).json()
    assert made["events"] == ["budget.spent"]
    for wrong in ("budget.eaten", "webhook_endpoint.test"):
        assert post(client, PATH, new(events=[wrong])).status_code == 400


def test_a_test_is_sent_and_listed(caller: Callers, tenant: Tenant) -> None:
    client = caller(role="admin", tenant=tenant)
    row = make_endpoint(tenant=tenant).row
    sent = post(client, f"{PATH}{row.pk}/test/", {})
    assert sent.status_code == 201, sent.content
    [listed] = client.get(f"{PATH}{row.pk}/deliveries/").json()["data"]
    assert listed == sent.json()
    assert (listed["type"], listed["state"]) == ("webhook_endpoint.test", "waiting")
    # Or else whoever asks in a loop has somebody else called in one.
    assert post(client, f"{PATH}{row.pk}/test/", {}).status_code == 409
    with as_operator():
        Delivery.objects.update(attempts=1)
    assert post(client, f"{PATH}{row.pk}/test/", {}).status_code == 201
    post(client, f"{PATH}{row.pk}/pause/", {})
    assert post(client, f"{PATH}{row.pk}/test/", {}).status_code == 409


def test_a_row_of_another_tenants_cannot_be_written(
    tenant: Tenant, fresh_database: Database
) -> None:
    """Beyond the services: the app role may write SQL as it likes."""
    theirs = make_endpoint().row
    with connections["default"].cursor() as session:
        session.execute("BEGIN")
        session.execute(
            "SELECT set_config('tollgate.tenant', %s, true)", [str(tenant.pk)]
        )
        session.execute("UPDATE alerts_endpoint SET url = 'https://evil.example/'")
        assert session.rowcount == 0
        session.execute(
            "INSERT INTO alerts_event (tenant_id, uid, type, data, created_at)"
            " VALUES (%s, gen_random_uuid(), 'x', '{}', now()) RETURNING id",
            [tenant.pk],
        )
        [event] = session.fetchone()
        with pytest.raises(Exception, match="same_tenant"):
            session.execute(
                "INSERT INTO alerts_delivery (tenant_id, event_id, channel, state,"
                " endpoint_id, attempts, last_error, created_at)"
                " VALUES (%s, %s, 'webhook', 'waiting', %s, 0, '', now())",
                [tenant.pk, event, theirs.pk],
            )
        session.execute("ROLLBACK")
    with as_operator():
        assert not Delivery.objects.exists()
