"""An invoice's way through Stripe when all goes well, and when people interfere."""

from typing import Any

import pytest
from django.test import override_settings

from metering.billing.models import (
    Invoice,
    ProviderCustomer,
    ProviderOperation,
    Seller,
)
from metering.billing.providers import provider_for, registry
from metering.billing.providers.base import finished
from metering.billing.providers.stripe.mapping import INVOICE_MARK, LINE_MARK
from metering.billing.providers.stripe.provider import StripeProvider
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.contract import ProviderContract
from tests.metering.billing.providers.scene import MINUTE, NOW, make_draft
from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.world import items


class TestStripe(ProviderContract):
    """The contract, through Stripe."""

    @pytest.fixture
    def provider(self, stripe_provider: StripeProvider) -> StripeProvider:
        return stripe_provider


def _only_invoice(standin: StripeStandIn) -> dict[str, Any]:
    [invoice] = standin.invoices()
    return invoice


def _pinned_but_not_read_back(
    standin: StripeStandIn, provider: StripeProvider, *amounts: int
) -> Invoice:
    """Stop a run between the last line and the comparison."""
    invoice = make_draft(*amounts, provider="stripe")
    standin.plan("drop_before", method="GET", path="/v1/invoices/*/lines")
    provider.advance(invoice, now=NOW)
    assert (invoice.number, invoice.problem) == (None, "")
    return invoice


def test_stripe_holds_our_invoice_line_by_line(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = make_tenant(name="Acme", billing_email="pay@acme.example")
    amounts = [1000 + i for i in range(150)]
    invoice = make_draft(*amounts, provider="stripe", tenant=tenant)
    stripe_provider.advance(invoice, now=NOW)
    theirs = _only_invoice(standin)
    assert {
        line["metadata"][LINE_MARK]: line["amount"] for line in theirs["lines"]
    } == {str(line.position): line.amount_minor for line in invoice.lines.all()}
    assert theirs["total"] == invoice.amount_minor == sum(amounts)
    assert theirs["status"] == "open"
    assert theirs["number"] == invoice.number
    assert theirs["currency"] == "usd"
    finalised_at = theirs["status_transitions"]["finalized_at"]
    assert theirs["due_date"] == finalised_at + 14 * 86_400
    assert theirs["metadata"][INVOICE_MARK] == str(invoice.public_id)
    assert theirs["hosted_invoice_url"] == invoice.hosted_url
    assert theirs["id"] == invoice.provider_reference
    assert theirs["customer_email"] == "pay@acme.example"
    assert "1,000,000 at 3.00 USD per million" in theirs["lines"][0]["description"]


def test_every_writing_call_has_its_row(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    invoice = make_draft(*range(1, 151), provider="stripe")
    stripe_provider.advance(invoice, now=NOW)
    rows = ProviderOperation.objects.order_by("id")
    assert [row.name for row in rows] == [
        "customer",
        "draft",
        "lines",
        "lines",
        "number",
        "finalise",
    ]
    assert {row.state for row in rows} == {ProviderOperation.State.SUCCEEDED}
    keys = [entry["idempotency_key"] for entry in standin.journal()]
    assert keys == [row.idempotency_key for row in rows]


def test_a_tenant_has_one_customer(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = make_tenant()
    for amount in (100, 200):
        invoice = make_draft(amount, provider="stripe", tenant=tenant)
        stripe_provider.advance(invoice, now=NOW)
        assert finished(invoice)
    assert len(standin.engine.account.customers) == 1
    assert ProviderCustomer.objects.filter(tenant=tenant).count() == 1


def test_more_lines_than_stripe_takes_are_folded(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    invoice = make_draft(*range(1, 301), provider="stripe")
    stripe_provider.advance(invoice, now=NOW)
    theirs = _only_invoice(standin)
    assert len(theirs["lines"]) == 240
    assert theirs["total"] == sum(range(1, 301))
    other = next(
        line for line in theirs["lines"] if line["metadata"][LINE_MARK] == "other"
    )
    assert other["amount"] == sum(range(1, 62))


@pytest.mark.parametrize(
    ("currency", "amount", "in_stripe"),
    [
        ("JPY", 1250, 1250),
        ("KWD", 1250, 1250),
        ("EUR", 3, 3),
        ("ISK", 1250, 125_000),
        ("UGX", 5, 500),
    ],
)
def test_minor_units_are_the_currency_s_own(
    operator_db: None,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    currency: str,
    amount: int,
    in_stripe: int,
) -> None:
    invoice = make_draft(amount, provider="stripe", currency=currency)
    stripe_provider.advance(invoice, now=NOW)
    theirs = _only_invoice(standin)
    assert finished(invoice)
    assert (theirs["total"], theirs["currency"]) == (in_stripe, currency.lower())


def _change_amount(draft: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    lines[0]["amount"] += 1


def _swap_amounts(draft: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    lines[0]["amount"], lines[1]["amount"] = lines[1]["amount"], lines[0]["amount"]


def _remove_line(draft: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    lines.pop()


def _double_line(draft: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    lines.append(lines[0] | {"id": "il_double"})


def _change_currency(draft: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    lines[0]["currency"] = "eur"


def _discount(draft: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    draft["total"] -= 10


def _change_hash(draft: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    draft["metadata"]["tollgate_lines_sha256"] = "0" * 64


def _change_customer(draft: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    draft["customer"] = "cus_somebody_else"


@pytest.mark.parametrize(
    "interfere",
    [
        _change_amount,
        _swap_amounts,
        _remove_line,
        _double_line,
        _change_currency,
        _discount,
        _change_hash,
        _change_customer,
    ],
)
def test_any_difference_keeps_the_draft_and_takes_no_number(
    operator_db: None,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    interfere: Any,
) -> None:
    invoice = _pinned_but_not_read_back(standin, stripe_provider, 100, 200, 300)
    account = standin.engine.account
    reference = invoice.provider_reference
    interfere(account.invoices[reference], account.lines[reference])
    stripe_provider.advance(invoice, now=NOW + MINUTE)
    assert invoice.problem.startswith("Stripe does not hold this invoice")
    assert (invoice.state, invoice.number) == (Invoice.State.DRAFT, None)
    assert _only_invoice(standin)["status"] == "draft"
    assert Seller.objects.get().last_number == 0


def test_deleting_a_differing_draft_makes_a_new_one(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    invoice = _pinned_but_not_read_back(standin, stripe_provider, 100, 200)
    account = standin.engine.account
    account.lines[invoice.provider_reference].pop()
    stripe_provider.advance(invoice, now=NOW + MINUTE)
    assert invoice.problem
    account.invoices.pop(invoice.provider_reference)
    stripe_provider.advance(invoice, now=NOW + 2 * MINUTE)
    assert finished(invoice)
    assert invoice.problem == ""
    assert _only_invoice(standin)["total"] == 300
    assert Seller.objects.get().last_number == 1


def test_a_draft_that_was_lost_sight_of_is_adopted(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    """A database restored from before the draft knows neither reference nor row."""
    invoice = _pinned_but_not_read_back(standin, stripe_provider, 100, 200)
    Invoice.objects.filter(pk=invoice.pk).update(provider_reference="")
    ProviderOperation.objects.filter(invoice=invoice).delete()
    standin.engine.clock.advance(25 * 3600)
    stripe_provider.advance(invoice, now=NOW + 25 * 60 * MINUTE)
    assert finished(invoice)
    assert len(_only_invoice(standin)["lines"]) == 2


def test_lines_that_are_there_already_are_not_sent_again(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    invoice = make_draft(100, 200, provider="stripe")
    standin.plan("drop_before", path="/v1/invoices/*/add_lines")
    stripe_provider.advance(invoice, now=NOW)
    there = {"amount": 200, "metadata": {LINE_MARK: "2"}}
    items.add_lines(
        standin.engine.account, invoice.provider_reference, {"lines": [there]}
    )
    stripe_provider.advance(invoice, now=NOW + MINUTE)
    assert finished(invoice)
    assert sorted(line["amount"] for line in _only_invoice(standin)["lines"]) == [
        100,
        200,
    ]


def test_what_stripe_opened_by_itself_is_not_ours(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    invoice = _pinned_but_not_read_back(standin, stripe_provider, 100)
    standin.engine.account.invoices[invoice.provider_reference]["status"] = "open"
    stripe_provider.advance(invoice, now=NOW + MINUTE)
    assert "never issued here" in invoice.problem
    assert invoice.number is None


def test_a_refusal_is_told_and_tried_again_later(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    # The total could be paid: it is the line that is too large.
    invoice = make_draft(100_000_000, -1_000, provider="stripe")
    for minutes in (0, 0.5, 2):
        stripe_provider.advance(invoice, now=NOW + minutes * MINUTE)
        assert "999,999.99" in invoice.problem
        assert invoice.state == Invoice.State.DRAFT
    attempts = ProviderOperation.objects.filter(name="lines").order_by("attempt")
    assert [row.attempt for row in attempts] == [1, 2]
    assert {row.state for row in attempts} == {ProviderOperation.State.FAILED}


def test_an_invoice_of_another_tenant_is_not_held_up(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    refused = make_draft(100_000_000, provider="stripe")
    stripe_provider.advance(refused, now=NOW)
    other = make_draft(100, provider="stripe")
    stripe_provider.advance(other, now=NOW)
    assert (other.number or "").endswith("000001")


def test_settings_lead_to_an_account(operator_db: None, standin: StripeStandIn) -> None:
    registry.provider_named.cache_clear()
    try:
        with override_settings(
            STRIPE_API_KEY="sk_test_any", STRIPE_API_BASE=standin.url
        ):
            invoice = make_draft(100, provider="stripe")
            provider_for(invoice).advance(invoice, now=NOW)
    finally:
        registry.provider_named.cache_clear()
    assert finished(invoice)
    assert _only_invoice(standin)["number"] == invoice.number
