"""What others fell into at Stripe, and what becomes of it here.

`tests/metering/collection/README.md` lists all of it; these are those that no other
test is about.
"""

from typing import Any

import pytest
import stripe

from metering.billing.models import Seller
from metering.billing.providers.base import Progress, finished
from metering.billing.providers.stripe import mapping
from metering.billing.providers.stripe.client import API_VERSION
from metering.billing.providers.stripe.provider import StripeProvider
from tenants.models import Tenant
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import MINUTE, NOW, make_draft
from tests.metering.billing.providers.test_stripe_faults import run_until_finished
from tests.standins.stripe import StripeStandIn

pytestmark = pytest.mark.usefixtures("operator_db")


def test_what_waits_at_the_customer_joins_no_invoice_of_ours(
    standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = make_tenant()
    run_until_finished(
        stripe_provider, make_draft(100, provider="stripe", tenant=tenant)
    )
    [customer] = standin.engine.account.customers
    client = stripe.StripeClient(
        "sk_test_any",
        stripe_version=API_VERSION,
        base_addresses={"api": standin.url},
    )
    pending: Any = {"customer": customer, "currency": "usd", "amount": 777}
    client.v1.invoice_items.create(pending)
    invoice = make_draft(300, provider="stripe", tenant=tenant)
    run_until_finished(stripe_provider, invoice)
    totals = sorted(each["total"] for each in standin.invoices())
    assert totals == [100, 300]


def test_who_is_renamed_while_its_call_is_in_doubt_is_one_customer_all_the_same(
    standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = make_tenant(name="Before")
    invoice = make_draft(100, provider="stripe", tenant=tenant)
    for nth in (1, 2, 3):
        standin.plan("commit_then_drop", path="/v1/customers", nth=nth)
    assert stripe_provider.advance(invoice, now=NOW) is Progress.DELAYED
    # The same key with other words is an error of its own at Stripe.
    Tenant.objects.filter(pk=tenant.pk).update(name="After")
    invoice.tenant.refresh_from_db()
    for run in range(1, 4):
        stripe_provider.advance(invoice, now=NOW + run * MINUTE)
    assert finished(invoice)
    assert len(standin.engine.account.customers) == 1


@pytest.mark.parametrize(
    ("amounts", "currency", "says"),
    [
        ((60_000_000, 60_000_000), "USD", "more than Stripe takes"),
        ((1_234_567, 1), "KWD", "no thousandths of KWD"),
    ],
)
def test_what_stripe_can_never_be_paid_takes_no_number(
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    amounts: tuple[int, ...],
    currency: str,
    says: str,
) -> None:
    invoice = make_draft(*amounts, provider="stripe", currency=currency)
    assert stripe_provider.advance(invoice, now=NOW) is Progress.HELD
    assert says in invoice.problem
    assert invoice.number is None
    assert Seller.objects.get().last_number == 0
    assert not standin.invoices()


@pytest.mark.parametrize(
    ("amount", "currency"), [(99_999_999, "USD"), (1_234_560, "KWD"), (10**9, "IDR")]
)
def test_what_stripe_can_just_be_paid_is_taken(amount: int, currency: str) -> None:
    invoice = make_draft(amount, provider="stripe", currency=currency)
    assert mapping.untakable(invoice) == ""
