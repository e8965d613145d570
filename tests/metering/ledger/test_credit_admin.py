"""The admin's pages of credit: granted, taken back and ended, with what is left."""

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from metering.ledger.models import CreditGrant
from tests.admin import action, confirm, page, signed_in, words
from tests.factories.tenants import make_tenant

CREDIT = "ledger_creditgrant"
UNIT = 10**12


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def granted(admin: Client, slug: str = "acme", amount: str = "25.5") -> CreditGrant:
    """Grant credit by the form."""
    make_tenant(slug=slug, currency="EUR", payment_mode="prepaid")
    body = {"tenant": slug, "source": "top_up", "amount": amount, "priority": "100"}
    added = admin.post(page(CREDIT, "add"), {**body, "reference": f"paid by {slug}"})
    assert added.status_code == 302, words(added.content)
    return CreditGrant.objects.get(reference=f"paid by {slug}")


def test_credit_is_granted_by_the_tenants_slug_in_its_currency(admin: Client) -> None:
    row = granted(admin)
    assert (row.amount_picos, row.currency) == (25_500_000_000_000, "EUR")
    for address in (
        page(CREDIT, "changelist"),
        page(CREDIT, "changelist") + "?q=acme",
        page(CREDIT, "change", row.pk),
        page(CREDIT, "history", row.pk),
    ):
        assert admin.get(address).status_code == 200, address
    listed = words(admin.get(page(CREDIT, "changelist") + "?q=acme").content)
    assert "25.50 EUR" in listed
    assert admin.post(page(CREDIT, "delete", row.pk)).status_code == 403


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("tenant", "nobody", "There is no such tenant"),
        ("amount", "five", "is not an amount"),
    ],
)
def test_what_makes_no_sense_is_said_beside_the_form(
    admin: Client, field: str, value: str, said: str
) -> None:
    make_tenant(slug="acme")
    body = {"tenant": "acme", "source": "top_up", "amount": "1", "priority": "1"}
    wrong = {**body, "reference": "r", field: value}
    assert said in words(admin.post(page(CREDIT, "add"), wrong).content)
    assert not CreditGrant.objects.exists()


def test_credit_is_taken_back_as_far_as_there_is_any_and_ended(admin: Client) -> None:
    row = granted(admin)
    dialog = words(admin.get(action(CREDIT, "reverse", row.pk)).content)
    assert "A refund takes at most 25.50 EUR" in dialog
    address = action(CREDIT, "reverse", row.pk)
    refused = confirm(admin, address, amount="26", reversal="refund")
    said = [str(each) for each in get_messages(refused.wsgi_request)]
    assert "Of this grant 25.50 EUR can be taken back" in said[-1]
    confirm(admin, address, amount="5.5", reversal="refund")
    row.refresh_from_db()
    assert row.reversed_picos == 5 * UNIT + UNIT // 2
    dialog = words(admin.get(action(CREDIT, "end", row.pk)).content)
    assert "What is left and expires now: 20.00 EUR." in dialog
    confirm(admin, action(CREDIT, "end", row.pk))
    row.refresh_from_db()
    assert row.expired_picos == 20 * UNIT


def test_a_reference_that_we_write_ourselves_is_refused(admin: Client) -> None:
    make_tenant(slug="acme")
    body = {"tenant": "acme", "source": "top_up", "amount": "1", "priority": "1"}
    answer = admin.post(page(CREDIT, "add"), {**body, "reference": "top-up 17"})
    assert "We write references that begin like this" in words(answer.content)
    assert not CreditGrant.objects.exists()
