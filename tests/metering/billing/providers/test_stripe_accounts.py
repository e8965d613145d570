"""Several accounts: each invoice in its own, whatever the settings say later."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from metering.billing.accounts import account_name_for
from metering.billing.models import Invoice, ProviderCustomer, ProviderOperation
from metering.billing.providers.base import finished
from metering.billing.providers.stripe.provider import StripeProvider
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import NOW, make_draft
from tests.standins.stripe import StripeStandIn

EUROPE = {"api_key": "sk_test_europe", "currencies": ("EUR", "CHF")}


@pytest.fixture
def two(standin: StripeStandIn) -> Iterator[StripeStandIn]:
    standin.add_account("europe", api_key="sk_test_europe", reference="acct_eu")
    with override_settings(
        STRIPE_API_KEY="sk_test_any",
        STRIPE_API_BASE=standin.url,
        STRIPE_ACCOUNTS={"europe": EUROPE},
    ):
        yield standin


def _advanced(currency: str, account: str) -> Invoice:
    tenant = make_tenant(currency=currency)
    invoice = make_draft(1000, provider="stripe", tenant=tenant, currency=currency)
    invoice.provider_account = account
    invoice.save()
    StripeProvider().advance(invoice, now=NOW)
    return invoice


def test_each_currency_goes_to_its_account(
    operator_db: None, two: StripeStandIn
) -> None:
    for currency in ("USD", "EUR", "CHF", "JPY"):
        invoice = _advanced(currency, account_name_for(currency))
        assert finished(invoice), invoice.problem
    asked = {
        entry.params["currency"]: entry.account == "acct_eu"
        for entry in two.engine.journal
        if (entry.method, entry.path) == ("POST", "/v1/invoices")
    }
    assert asked == {
        "usd": False,
        "eur": True,
        "chf": True,
        "jpy": False,
    }
    kept = ProviderCustomer.objects.values_list("account", flat=True)
    assert sorted(kept) == ["default", "default", "europe", "europe"]
    calls = ProviderOperation.objects.filter(account="europe")
    assert {row.invoice.currency for row in calls if row.invoice} == {"EUR", "CHF"}


def test_an_account_that_is_gone_holds_its_invoices_alone(
    operator_db: None, two: StripeStandIn
) -> None:
    held = _advanced("EUR", "asia")
    assert held.problem == "There is no account 'asia' of the billing provider."
    assert held.number is None
    assert finished(_advanced("USD", "default"))


def test_a_tenant_is_a_customer_of_each_account(
    operator_db: None, two: StripeStandIn
) -> None:
    tenant = make_tenant()
    for account in ("default", "europe"):
        invoice = make_draft(1000, provider="stripe", tenant=tenant)
        invoice.provider_account = account
        invoice.save()
        StripeProvider().advance(invoice, now=NOW)
        assert finished(invoice), invoice.problem
    assert ProviderCustomer.objects.filter(tenant=tenant).count() == 2
