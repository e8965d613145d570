"""As few calls as it takes; and none is saved where a second invoice could follow."""

import datetime as dt

import pytest

from metering.billing.models import Invoice, ProviderCustomer, ProviderOperation
from metering.billing.operations import KEY_LIFE
from metering.billing.providers.base import finished
from metering.billing.providers.stripe.provider import StripeProvider
from tenants.models import Tenant
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import MINUTE, NOW, make_draft
from tests.standins.stripe import StripeStandIn

AN_INVOICE = [
    "POST /v1/invoices",
    "POST add_lines",
    "GET lines",
    "POST number",
    "POST finalize",
]


def _calls(standin: StripeStandIn) -> list[str]:
    """Return what was asked, in order, by short names."""
    names = []
    for entry in standin.engine.journal:
        *_, last = entry.path.split("/")
        short = {"invoices": "/v1/invoices", "customers": "/v1/customers"}.get(last)
        short = short or ("number" if last.startswith("in_") else last)
        names.append(f"{entry.method} {short}")
    return names


def _tenant_since(created_at: dt.datetime) -> Tenant:
    tenant = make_tenant()
    Tenant.objects.filter(pk=tenant.pk).update(created_at=created_at)
    return Tenant.objects.get(pk=tenant.pk)


def test_a_customer_takes_one_call_and_each_invoice_five(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = _tenant_since(NOW)
    for _ in range(3):
        invoice = make_draft(*range(1, 51), provider="stripe", tenant=tenant)
        stripe_provider.advance(invoice, now=NOW + MINUTE)
        assert finished(invoice)
    assert _calls(standin) == ["POST /v1/customers", *AN_INVOICE * 3]


def test_a_tenant_that_is_older_than_a_key_is_searched_once(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = _tenant_since(NOW - KEY_LIFE)
    for _ in range(2):
        invoice = make_draft(100, provider="stripe", tenant=tenant)
        stripe_provider.advance(invoice, now=NOW)
        assert finished(invoice)
    first = ["GET search", "POST /v1/customers"]
    assert _calls(standin) == [*first, *AN_INVOICE * 2]


def test_more_lines_take_more_calls_by_the_hundred(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    invoice = make_draft(*range(1, 241), provider="stripe", tenant=_tenant_since(NOW))
    stripe_provider.advance(invoice, now=NOW)
    calls = _calls(standin)
    assert (calls.count("POST add_lines"), calls.count("GET lines")) == (3, 3)
    assert len(calls) == 1 + len(AN_INVOICE) + 2 + 2


@pytest.mark.parametrize("minutes_old", [0, 22 * 60, 24 * 60])
def test_a_database_restored_from_before_makes_nothing_twice(
    operator_db: None,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    minutes_old: int,
) -> None:
    """Neither the customer nor the invoice is known here, and both are there."""
    later = NOW + minutes_old * MINUTE
    invoice = make_draft(100, 200, provider="stripe", tenant=_tenant_since(NOW))
    standin.plan("drop_before", path="/v1/invoices/*/finalize")
    stripe_provider.advance(invoice, now=NOW)
    _restore_to_before_the_draft(invoice)
    standin.advance(minutes_old * 60)
    stripe_provider.advance(invoice, now=later)
    stripe_provider.advance(invoice, now=later + MINUTE)
    assert finished(invoice), invoice.problem
    assert len(standin.invoices()) == 1
    assert len(standin.engine.account.customers) == 1


def test_an_account_that_cannot_be_searched_is_listed(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    invoice = make_draft(100, provider="stripe", tenant=_tenant_since(NOW))
    stripe_provider.advance(invoice, now=NOW)
    _restore_to_before_the_draft(invoice)
    standin.advance(KEY_LIFE.total_seconds())
    standin.plan("lock_timeout", method="GET", path="/v1/customers/search")
    stripe_provider.advance(invoice, now=NOW + KEY_LIFE)
    assert len(standin.engine.account.customers) == 1
    assert ProviderCustomer.objects.count() == 1


def _restore_to_before_the_draft(invoice: Invoice) -> None:
    ProviderOperation.objects.all().delete()
    ProviderCustomer.objects.all().delete()
    Invoice.objects.filter(pk=invoice.pk, number=None).update(provider_reference="")
    Invoice.objects.filter(pk=invoice.pk).update(provider_reference="", hosted_url="")
