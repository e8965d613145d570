"""What people do at the provider: store cards, pay on pages."""

from typing import Any

from metering.billing.models import ProviderCustomer
from metering.billing.providers.stripe.customers import customer_of
from metering.collection.methods import read_methods
from metering.collection.providing import client_of
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.world import cards, checkout, customers, methods

VISA = "4242424242424242"
DECLINES_LATER = "4000000000000341"
NEEDS_AUTHENTICATION = "4000002760003184"


def customer(tenant: Tenant) -> ProviderCustomer:
    """Make the tenant a customer of the default account."""
    client = client_of("default")
    customer_of(client, account="default", tenant=tenant, now=database_now())
    return ProviderCustomer.objects.get(tenant=tenant)


def store_card(
    standin: StripeStandIn, tenant: Tenant, number: str, *, is_default: bool = True
) -> ProviderCustomer:
    """Let a tenant store a card at the provider, and read that."""
    owner = customer(tenant)
    engine = standin.engine
    with engine.opened(engine.account) as account:
        method = methods.of_card(account, cards.by_number(number))
        methods.keep(account, method, account.customer(owner.reference))
        if is_default:
            chosen: Any = {"default_payment_method": method["id"]}
            customers.update(account, owner.reference, {"invoice_settings": chosen})
    read_methods(customer=owner, now=database_now())
    owner.refresh_from_db()
    return owner


def pay_on_page(standin: StripeStandIn, session: str, number: str = VISA) -> None:
    """Let a person pay on a page."""
    engine = standin.engine
    with engine.opened(engine.account) as account:
        checkout.complete(account, session, number)
