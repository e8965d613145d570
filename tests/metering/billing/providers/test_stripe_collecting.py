"""How an invoice is collected: sent, charged, or carried over when it is too little."""

import pytest
from django.test import Client

from metering.billing.models import Invoice, ProviderCustomer
from metering.billing.providers.base import finished
from metering.billing.providers.stripe.provider import StripeProvider
from metering.billing.selectors import document
from tenants.models import Tenant
from tests.admin import page, signed_in, words
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import NOW, make_draft
from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.world import balances

State = Invoice.State


def _issued(
    provider: StripeProvider, tenant: Tenant, amount: int, currency: str = "USD"
) -> Invoice:
    invoice = make_draft(amount, provider="stripe", tenant=tenant, currency=currency)
    provider.advance(invoice, now=NOW)
    assert finished(invoice), invoice.problem
    return invoice


def test_an_invoice_is_sent_until_there_is_a_method_to_charge(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = make_tenant()
    _issued(stripe_provider, tenant, 100)
    ProviderCustomer.objects.update(default_method="pm_1")
    drafted = make_draft(200, provider="stripe", tenant=tenant)
    stripe_provider.advance(drafted, now=NOW)
    sent, charged = standin.journal()[1], standin.journal()[5]
    assert sent["params"]["collection_method"] == "send_invoice"
    assert sent["params"]["days_until_due"] == "14"
    assert charged["params"]["collection_method"] == "charge_automatically"
    assert "days_until_due" not in charged["params"]


def test_too_little_to_ask_for_is_issued_stays_open_and_is_shown(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    """Stripe shows it as paid: nobody has paid anything."""
    invoice = _issued(stripe_provider, make_tenant(), 30)
    [theirs] = standin.invoices()
    assert (theirs["status"], theirs["amount_paid"]) == ("paid", 0)
    assert (invoice.state, invoice.paid_minor, invoice.carried_minor) == (
        State.OPEN,
        0,
        30,
    )
    assert document(invoice).carried == "0.30 USD"
    shown = signed_in().get(page("billing_invoice", "change", invoice.pk)).content
    assert "0.30 USD" in words(shown)


def test_carried_invoices_are_found(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = make_tenant()
    carried, asked = (_issued(stripe_provider, tenant, each) for each in (30, 300))
    listed = signed_in().get(page("billing_invoice", "changelist") + "?carried=yes")
    assert str(carried.number) in words(listed.content)
    assert str(asked.number) not in words(listed.content)


def test_each_carries_its_own_and_the_next_asks_for_all(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = make_tenant()
    amounts = (20, 15, 40)
    carried = [_issued(stripe_provider, tenant, each).carried_minor for each in amounts]
    assert carried == [20, 15, 0]
    theirs = {row["total"]: row for row in standin.invoices()}
    assert theirs[40]["amount_due"] == 75


def test_what_the_customers_own_credit_there_pays_is_not_carried(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = make_tenant()
    _issued(stripe_provider, tenant, 100)
    account = standin.engine.account
    [customer] = account.customers.values()
    with standin.engine.opened(account):
        balances.adjust(account, customer, -25)
    assert _issued(stripe_provider, tenant, 20).carried_minor == 0
    assert _issued(stripe_provider, tenant, 30).carried_minor == 25


def test_a_unit_that_stripe_counts_in_hundredths_is_carried_in_ours(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = make_tenant(currency="ISK")
    invoice = _issued(stripe_provider, tenant, 5, "ISK")
    [theirs] = standin.invoices()
    assert invoice.carried_minor * 100 == theirs["ending_balance"]


def test_the_api_says_what_is_carried(
    operator: Client, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    invoice = _issued(stripe_provider, make_tenant(), 30)
    shown = operator.get(f"/api/v1/invoices/{invoice.pk}/").json()
    assert (shown["carried_minor"], shown["state"]) == (30, "open")
    assert shown["provider_account"] == "default"


@pytest.mark.parametrize("amount", [50, 0])
def test_what_is_asked_for_or_nothing_is_not_carried(
    operator_db: None,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    amount: int,
) -> None:
    assert _issued(stripe_provider, make_tenant(), amount).carried_minor == 0
