"""The audit in the admin: read, searched by what people know, and never changed."""

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kit.acting import Actor, ActorKind, acting_as
from kit.orm.roles import OPERATOR
from tenants import services
from tenants.models import AuditEntry
from tests.admin import page, signed_in
from tests.factories.limits import make_budget
from tests.factories.tenants import make_key, make_member, make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")

LIST = "/admin/tenants/auditentry/"


def queries(admin: Client) -> int:
    """Return how many queries the list takes."""
    with CaptureQueriesContext(connections[OPERATOR]) as captured:
        assert admin.get(LIST).status_code == 200
    return len(captured)


def found(admin: Client, search: str) -> set[int]:
    """Return the ids of the entries that a search lists."""
    response = admin.get(LIST, {"q": search})
    assert response.status_code == 200
    return {row.pk for row in response.context["cl"].result_list}


def test_entries_are_found_by_object_action_request_and_person() -> None:
    admin = signed_in()
    member = make_member(email="ada@acme.example")
    issued = make_key(tenant=member.tenant)
    actor = Actor(
        ActorKind.TENANT_TOKEN,
        3,
        tenant_id=member.tenant_id,
        member_id=member.pk,
        request_id="0199e2ab-7c1e-7d0a-9b63-2f4f0f6f6a11",
    )
    with acting_as(actor):
        services.update_tenant(tenant=member.tenant, name="Renamed")
    renamed = AuditEntry.objects.get(request_id=actor.request_id)
    key = AuditEntry.objects.get(object_kind="api_key", object_id=str(issued.row.pk))
    assert found(admin, f"api_key {issued.row.pk}") == {key.pk}
    assert renamed.pk in found(admin, "update")
    assert found(admin, actor.request_id) == {renamed.pk}
    assert found(admin, "Ada@acme.example") == {renamed.pk}
    assert found(admin, "nothing-like-this") == set()


def test_an_operator_is_found_by_address_and_shown_by_name() -> None:
    tenant = make_tenant()
    operator = signed_in()
    account = User.objects.get(is_superuser=True)
    account.email = "grace@tollgate.example"
    account.first_name = "Grace"
    account.save()
    with acting_as(Actor(ActorKind.OPERATOR, account.pk)):
        services.update_tenant(tenant=tenant, name="Renamed")
    response = operator.get(LIST, {"q": "grace@tollgate.example"})
    assert "operator" in response.content.decode()
    assert "Grace" in response.content.decode()
    assert tenant.slug in response.content.decode()


def test_an_entry_shows_what_is_personal_until_it_is_forgotten() -> None:
    tenant = make_tenant(billing_email="pay@acme.example")
    entry = AuditEntry.objects.get(object_kind="tenant", object_id=str(tenant.pk))
    admin = signed_in()
    address = page("tenants_auditentry", "change", entry.pk)
    shown = admin.get(address).content.decode()
    assert "pay@acme.example" in shown
    assert f"/admin/tenants/tenant/{tenant.pk}/change/" in shown
    services.forget_billing_email(tenant=tenant)
    shown = admin.get(address).content.decode()
    assert "pay@acme.example" not in shown
    assert "forgotten" in shown


def test_amounts_of_an_entry_are_told_with_their_currency() -> None:
    tenant = make_tenant(currency="EUR")
    make_budget(tenant=tenant, amount_picos=12_345_500_000_000_000)
    entry = AuditEntry.objects.get(object_kind="budget")
    shown = signed_in().get(page("tenants_auditentry", "change", entry.pk)).content
    assert "amount_picos: 12,345.50 EUR" in shown.decode()
    assert "12345500000000000" not in shown.decode()


def test_the_history_of_an_object_is_a_link_from_its_page() -> None:
    tenant = make_tenant()
    admin = signed_in()
    shown = admin.get(page("tenants_tenant", "change", tenant.pk)).content.decode()
    history = f"{LIST}?object_kind=tenant&amp;object_id={tenant.pk}"
    assert history in shown
    response = admin.get(LIST, {"object_kind": "tenant", "object_id": str(tenant.pk)})
    assert response.status_code == 200
    (row,) = response.context["cl"].result_list
    assert (row.object_kind, row.object_id) == ("tenant", str(tenant.pk))


def test_nothing_is_added_changed_or_deleted() -> None:
    make_tenant()
    entry = AuditEntry.objects.latest("id")
    admin = signed_in()
    assert admin.get(page("tenants_auditentry", "add")).status_code == 403
    for name in ("change", "delete"):
        address = page("tenants_auditentry", name, entry.pk)
        assert admin.post(address, {"action": "x", "post": "yes"}).status_code == 403


def test_a_page_asks_as_much_for_many_entries_as_for_few() -> None:
    tenant = make_tenant()
    admin = signed_in()
    for number in range(3):
        services.update_tenant(tenant=tenant, name=f"{number}")
    queries(admin)
    few = queries(admin)
    for number in range(20):
        services.update_tenant(tenant=make_tenant(), name=f"{number}")
    # The few hold names of accounts as well, which take a query of their own.
    assert queries(admin) <= few
