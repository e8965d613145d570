"""The page of a tenant: every tab, what it offers, what it withholds."""

import csv
import io
from http import HTTPStatus

import pytest
from django.db import ProgrammingError, transaction
from django.test import Client

from pages.operations.tenant import parts
from pages.operations.tenant.view import TABS
from tenants import services
from tenants.models import AuditEntry, Note
from tests.admin import action, page, signed_in, words
from tests.factories.limits import make_quota, make_rate_limit
from tests.factories.receivables import make_invoice
from tests.factories.tenants import make_key, make_tenant
from tests.pages.conftest import SignIn


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def test_every_tab_of_a_new_tenant_says_why_it_is_empty(admin: Client) -> None:
    tenant = make_tenant(name="Acme", slug="acme")
    first = words(admin.get(f"/admin/tenants/{tenant.pk}/").content)
    assert "Acme acme · the default plan · postpaid" in first
    assert "Spend this month 0.00 USD" in first
    assert "No invoice is open" in first
    for tab in TABS:
        answer = admin.get(f"/admin/tenants/{tenant.pk}/{tab.name}/")
        assert answer.status_code == HTTPStatus.OK, tab
        assert f'aria-current="page">{tab.label}<' in answer.content.decode()


def test_what_is_not_there_is_404(admin: Client) -> None:
    tenant = make_tenant()
    for address in ("/admin/tenants/99999/", f"/admin/tenants/{tenant.pk}/none/"):
        assert admin.get(address).status_code == HTTPStatus.NOT_FOUND


def test_it_shows_what_is_the_tenants_and_nothing_of_others(admin: Client) -> None:
    tenant, other = make_tenant(), make_tenant()
    key = make_key(tenant=tenant, name="production").row
    make_key(tenant=other, name="somebody-elses")
    make_rate_limit(tenant=tenant, unit="requests", window="minute", value=60)
    make_quota(tenant=other, unit="tokens", window="day", value=77_777)
    keys = words(admin.get(f"/admin/tenants/{tenant.pk}/keys/").content)
    assert f"production {key.shown} default active" in keys
    assert "somebody-elses" not in keys
    limits = words(admin.get(f"/admin/tenants/{tenant.pk}/limits/").content)
    assert "requests per minute 60 binds" in limits
    assert "77,777" not in limits
    changes = words(admin.get(f"/admin/tenants/{tenant.pk}/audit/").content)
    assert f"Issued API key {key.pk}" in changes


def test_what_is_overdue_is_said(admin: Client) -> None:
    invoice = make_invoice()
    text = words(admin.get(f"/admin/tenants/{invoice.tenant_id}/").content)
    assert "Owes" in text
    assert str(invoice.number) in text
    assert "overdue" in text


def test_each_state_offers_its_own_action(admin: Client) -> None:
    tenant = make_tenant()
    address = f"/admin/tenants/{tenant.pk}/"
    suspend = action("tenants_tenant", "suspend", tenant.pk)
    restore = action("tenants_tenant", "restore", tenant.pk)
    active = admin.get(address).content.decode()
    assert suspend in active
    assert restore not in active
    services.suspend_tenant(tenant=tenant)
    suspended = admin.get(address).content.decode()
    assert suspend not in suspended
    assert restore in suspended


def test_a_table_is_a_file_of_all_its_rows(admin: Client) -> None:
    tenant = make_tenant(slug="acme")
    for number in range(60):
        make_key(tenant=tenant, name=f"key {number:02}")
    address = f"/admin/tenants/{tenant.pk}/keys/"
    second = words(admin.get(f"{address}?page=2").content)
    assert "51 to 60 of 60" in second
    answer = admin.get(f"{address}?file=keys")
    assert answer["Content-Disposition"].endswith('"tollgate-acme-keys.csv"')
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert len(rows) == 60
    assert {row["state"] for row in rows} == {"active"}


def test_the_file_of_the_latest_changes_has_all_of_them(admin: Client) -> None:
    tenant = make_tenant(slug="acme")
    for _ in range(3):
        services.suspend_tenant(tenant=tenant)
        services.restore_tenant(tenant=tenant)
    for tab in ("", "audit/"):
        answer = admin.get(f"/admin/tenants/{tenant.pk}/{tab}?file=audit")
        assert int(answer["X-Row-Count"]) >= 6


def test_a_file_that_is_cut_off_says_so(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "FILE_ROWS_MAX", 2)
    tenant = make_tenant(slug="acme")
    for number, cut in ((1, ""), (2, ""), (3, "-first-2")):
        make_key(tenant=tenant, name=f"key {number}")
        answer = admin.get(f"/admin/tenants/{tenant.pk}/keys/?file=keys")
        name = f'"tollgate-acme-keys{cut}.csv"'
        assert answer["Content-Disposition"].endswith(name)
        assert answer["X-Row-Count"] == f"{min(number, 2)}"


def test_who_may_see_tenants_sees_of_the_rest_what_they_may(sign_in: SignIn) -> None:
    tenant = make_tenant()
    client = sign_in("tenants.view_tenant", "billing.view_invoice")
    first = client.get(f"/admin/tenants/{tenant.pk}/").content.decode()
    assert "Owes" in first
    for hidden in ("Spend this month", "Credit available", "Active API keys"):
        assert hidden not in first
    assert page("tenants_tenant", "change", tenant.pk) in first
    refused = [
        tab.name
        for tab in TABS
        if client.get(f"/admin/tenants/{tenant.pk}/{tab.name}/").status_code
        == HTTPStatus.FORBIDDEN
    ]
    others = ["usage", "keys", "limits", "credit", "subscriptions"]
    others += ["requests", "audit", "notes"]
    assert refused == others
    for name in refused:
        assert f"/{name}/" not in first


def test_notes_are_added_by_those_who_may_and_stay(admin: Client) -> None:
    tenant, other = make_tenant(), make_tenant()
    address = f"/admin/tenants/{tenant.pk}/notes/"
    assert "Nothing was noted" in words(admin.get(address).content)
    for text in ("They call back on Monday.", "<b>bold</b>"):
        answer = admin.post(f"{address}add/", {"text": text}, follow=True)
        assert "Noted." in words(answer.content)
    shown = admin.get(address).content.decode()
    assert "&lt;b&gt;bold" in shown
    assert "They call back on Monday. operator" in words(shown.encode())
    elsewhere = admin.get(f"/admin/tenants/{other.pk}/notes/").content
    assert "Monday" not in words(elsewhere)
    for wrong in ("", "   ", "x" * 4001, "nul\0"):
        answer = admin.post(f"{address}add/", {"text": wrong}, follow=True)
        assert "Nothing was noted." in words(answer.content), wrong
    assert Note.objects.count() == 2
    told = AuditEntry.objects.filter(object_kind="note")
    assert [each.actor_kind for each in told] == ["operator"] * 2
    assert not any("text" in each.after for each in told)
    with pytest.raises(ProgrammingError, match="denied"), transaction.atomic():
        Note.objects.update(text="otherwise")


def test_who_may_only_read_notes_is_not_offered_to_add_one(sign_in: SignIn) -> None:
    tenant = make_tenant()
    client = sign_in("tenants.view_tenant", "tenants.view_note")
    address = f"/admin/tenants/{tenant.pk}/notes/"
    assert "<textarea" not in client.get(address).content.decode()
    answer = client.post(f"{address}add/", {"text": "mine"})
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert not Note.objects.exists()
