"""What tenants can pay with is kept as the provider has it."""

import pytest

from metering.billing.models import ProviderCustomer
from metering.collection.method_handlers import customer_changed, method_changed
from metering.collection.methods import default_method, read_methods
from metering.collection.models import PaymentMethod
from metering.usage.selectors import database_now
from tenants.models import AuditEntry
from tests.metering.collection.buying.scene import prepaid
from tests.metering.collection.shopping import VISA, store_card
from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.world import methods

MASTERCARD = "5555555555554444"
pytestmark = pytest.mark.usefixtures("operator_db")


def test_enough_is_kept_to_recognise_a_card(standin: StripeStandIn) -> None:
    tenant = prepaid()
    store_card(standin, tenant, VISA)
    row = PaymentMethod.objects.get()
    assert (row.kind, row.brand, row.last4, str(row)) == (
        "card",
        "visa",
        "4242",
        "visa 4242",
    )
    assert row.exp_year
    assert row == default_method(tenant_id=tenant.pk, account="default")
    assert ProviderCustomer.objects.get().default_method == row.reference


def test_another_default_takes_the_place_of_the_first(standin: StripeStandIn) -> None:
    tenant = prepaid()
    store_card(standin, tenant, VISA)
    owner = store_card(standin, tenant, MASTERCARD)
    kept = list(PaymentMethod.objects.values_list("brand", "is_default"))
    assert kept == [("mastercard", True), ("visa", False)]
    default = PaymentMethod.objects.get(is_default=True)
    assert owner.default_method == default.reference


def test_what_is_removed_there_is_gone_here(standin: StripeStandIn) -> None:
    tenant = prepaid()
    owner = store_card(standin, tenant, VISA)
    [row] = PaymentMethod.objects.all()
    engine = standin.engine
    with engine.opened(engine.account) as account:
        methods.detach(account, row.reference)
    method_changed("default", row.reference, "payment_method.detached", database_now())
    assert not PaymentMethod.objects.exists()
    owner.refresh_from_db()
    assert owner.default_method == ""


def test_news_of_strangers_is_none_of_ours(standin: StripeStandIn) -> None:
    store_card(standin, prepaid(), VISA)
    customer_changed("default", "cus_stranger", "customer.updated", database_now())
    customer_changed("other", "cus_1", "customer.updated", database_now())
    assert PaymentMethod.objects.count() == 1


def test_reading_again_changes_nothing(standin: StripeStandIn) -> None:
    owner = store_card(standin, prepaid(), VISA)
    [row] = PaymentMethod.objects.all()
    told = AuditEntry.objects.filter(object_kind="payment_method").count()

    read_methods(customer=owner, now=database_now())

    again = PaymentMethod.objects.get()
    assert (again.pk, again.read_at > row.read_at) == (row.pk, True)
    assert AuditEntry.objects.filter(object_kind="payment_method").count() == told
