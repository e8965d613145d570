"""Credit that was bought through the account, and what became of it here."""

from decimal import Decimal

from metering.billing.models import Invoice
from metering.collection.buying import advancing, asking
from metering.collection.models import Purchase
from metering.receivables.settling import facts_of
from metering.receivables.sold import grants_of
from metering.reconciliation.models import Difference
from metering.reconciliation.services import verify_ledger
from metering.taxes.services import create_rate, treat_tenant
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.metering.collection.buying.scene import prepaid
from tests.metering.collection.following.scene import VISA, Scene
from tests.metering.collection.shopping import pay_on_page
from tests.metering.ledger.test_credit import DAY


def taxed() -> Tenant:
    """Make a prepaid tenant that pays 19 % of tax on what it buys."""
    tenant, now = prepaid(currency="USD"), database_now()
    create_rate(
        name="VAT", country="DE", percent=Decimal(19), starts_at=now - 900 * DAY
    )
    treat_tenant(tenant=tenant, now=now, kind="taxed", country="DE")
    return tenant


def buy(
    scene: Scene, tenant: Tenant, amount_minor: int = 10_000, *, card: str = VISA
) -> Purchase:
    """Let a person pay for credit on the provider's page; nobody told us yet."""
    row = asking.ask_checkout(
        tenant=tenant, amount_minor=amount_minor, now=database_now()
    )
    advancing.advance_purchases(now=database_now())
    row.refresh_from_db()
    pay_on_page(scene.standin, row.session, card)
    intent = scene.account.rows["checkout.session"][row.session]["payment_intent"]
    row.intent = str(intent)
    return row


def invoice_of(tenant: Tenant) -> Invoice:
    """Return the invoice of what a tenant bought."""
    return Invoice.objects.get(tenant=tenant)


def credit_minor(invoice: Invoice) -> int:
    """Return the credit that an invoice sold and that was not taken back."""
    held = sum(
        grant.amount_picos - grant.reversed_picos for grant in grants_of(invoice)
    )
    assert held % 10**10 == 0
    return int(held // 10**10)


def open_minor(invoice: Invoice) -> int:
    """Return what is open of an invoice."""
    return facts_of(invoice).open_minor


def wrong_in_the_books() -> list[str]:
    """Return what the nightly checks find wrong of what is owed and held."""
    run = verify_ledger(now=database_now())
    # The gateway that burned credit is none that a test runs.
    rows = Difference.objects.filter(run=run).exclude(check_name="epochs_settled")
    return [f"{each.check_name} of {each.subject}" for each in rows]
