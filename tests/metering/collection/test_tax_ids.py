"""What a tax office says of a tenant's id is known here."""

import pytest

from metering.billing.models import ProviderCustomer
from metering.billing.parties import set_billing_profile
from metering.billing.providers.stripe.customers import customer_of
from metering.collection.providing import client_of
from metering.collection.tax_id_handlers import tax_id_checked
from metering.inbox.handlers import handlers_for
from metering.usage.selectors import database_now
from tests.factories.tenants import make_tenant
from tests.standins.stripe import StripeStandIn

UPDATED = "customer.tax_id.updated"
pytestmark = pytest.mark.usefixtures("operator_db")


def test_an_id_that_its_office_does_not_know_is_said(standin: StripeStandIn) -> None:
    assert handlers_for(UPDATED) == [tax_id_checked]
    tenant, now = make_tenant(), database_now()
    # A number of Stripe's test mode, which no office knows.
    set_billing_profile(tenant=tenant, country="DE", tax_id="DE111111111")
    customer_of(client_of("default"), account="default", tenant=tenant, now=now)
    kept = ProviderCustomer.objects.get()
    assert kept.tax_id_problem == ""
    standin.advance(61)
    tax_id_checked("default", kept.tax_id_reference, UPDATED, now)
    kept.refresh_from_db()
    assert kept.tax_id_problem == "The tax office does not know it."
    # What is said is not said anew by the next look at the customer.
    customer_of(client_of("default"), account="default", tenant=tenant, now=now)
    kept.refresh_from_db()
    assert kept.tax_id_problem == "The tax office does not know it."


def test_ids_of_strangers_are_none_of_ours(standin: StripeStandIn) -> None:
    tax_id_checked("default", "txi_stranger", UPDATED, database_now())
    assert standin.journal() == []
