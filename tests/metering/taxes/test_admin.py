"""The admin's pages of taxes: said once, ended by an action or by what comes next."""

import datetime as dt

import pytest
from django.test import Client

from metering.taxes.models import TaxRate, TaxTreatment
from tests.admin import action, confirm, page, signed_in, words
from tests.factories.tenants import make_tenant

RATE, TREATMENT = "taxes_taxrate", "taxes_taxtreatment"
A_RATE = {
    "name": "VAT",
    "percent": "9.975",
    "country": "DE",
    "starts_at_0": "2021-01-01",
    "starts_at_1": "00:00:00",
}


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def test_a_rate_is_created_shown_and_ended(admin: Client) -> None:
    added = admin.post(page(RATE, "add"), A_RATE)
    assert added.status_code == 302, words(added.content)
    row = TaxRate.objects.get()
    assert row.starts_at == dt.datetime(2021, 1, 1, tzinfo=dt.UTC)
    assert "9.975" in words(admin.get(page(RATE, "changelist")).content)
    dialog = words(admin.get(action(RATE, "end", row.pk)).content)
    assert "VAT 9.975 % DE is charged on nothing" in dialog
    confirm(admin, action(RATE, "end", row.pk))
    row.refresh_from_db()
    assert row.ends_at is not None
    assert admin.get(page(RATE, "change", row.pk)).status_code == 200


def test_a_tenant_is_treated_by_its_slug_and_again(admin: Client) -> None:
    tenant = make_tenant(slug="acme")
    admin.post(page(RATE, "add"), A_RATE)
    body = {"tenant": "acme", "kind": "taxed", "country": "DE"}
    added = admin.post(page(TREATMENT, "add"), body)
    assert added.status_code == 302, words(added.content)
    refused = admin.post(
        page(TREATMENT, "add"), {**body, "kind": "exempt"}, follow=True
    )
    assert "Say why, as the invoice prints it." in words(refused.content)
    admin.post(page(TREATMENT, "add"), {**body, "kind": "exempt", "note": "School"})
    first, second = TaxTreatment.objects.filter(tenant=tenant).order_by("pk")
    assert first.ends_at == second.starts_at
    assert second.ends_at is None
    assert admin.get(page(TREATMENT, "change", second.pk)).status_code == 200
