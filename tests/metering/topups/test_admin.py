"""Operators buy credit for a tenant by hand, and say when it is bought by itself."""

import pytest
from django.test import Client

from kit.money import PICOS_PER_UNIT
from metering.topups.models import TopUp, TopUpRule
from tests.admin import action, confirm, page, signed_in, submit, words
from tests.factories.tenants import make_tenant

TOP_UP, RULE = "topups_topup", "topups_topuprule"


@pytest.fixture
def admin(operator_db: None) -> Client:
    return signed_in()


def test_one_is_asked_for_by_hand_and_cancelled(admin: Client) -> None:
    tenant = make_tenant(payment_mode="prepaid")
    form = {"tenant": str(tenant.pk), "amount": "250.50"}
    assert admin.post(page(TOP_UP, "add"), form).status_code == 302
    row = TopUp.objects.get()
    assert (row.amount_minor, row.state, row.by_rule) == (25050, "due", False)

    again = admin.post(page(TOP_UP, "add"), form, follow=True)
    assert "open already" in words(again.content)

    cancel = action(TOP_UP, "cancel", row.pk)
    assert "250.50 USD of credit is not bought" in words(admin.get(cancel).content)
    confirm(admin, cancel)
    row.refresh_from_db()
    assert row.state == "cancelled"


@pytest.mark.parametrize("amount", ["0.001", "-1", "all"])
def test_what_is_no_amount_is_said(admin: Client, amount: str) -> None:
    form = {"tenant": str(make_tenant().pk), "amount": amount}
    admin.post(page(TOP_UP, "add"), form)
    assert not TopUp.objects.exists()


def test_a_rule_is_said_and_changed(admin: Client) -> None:
    tenant = make_tenant(payment_mode="prepaid")
    form = {
        "tenant": str(tenant.pk),
        "threshold": "5",
        "amount": "20.00",
        "period_max": "100",
        "cool_off_s": "3600",
        "enabled": "on",
    }
    assert admin.post(page(RULE, "add"), form).status_code == 302
    row = TopUpRule.objects.get()
    assert row.threshold_picos == 5 * PICOS_PER_UNIT
    change = page(RULE, "change", row.pk)
    assert 'value="20.00"' in admin.get(change).content.decode()

    assert submit(admin, change, {"amount": "30"}).status_code == 302
    row.refresh_from_db()
    assert (row.amount_minor, row.period_max_minor) == (3000, 10000)
    assert not row.enabled

    refused = submit(admin, change, {"amount": "200"})
    assert "maximum be at least the amount" in words(refused.content)
