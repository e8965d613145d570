"""Invoices that a Stripe holds, what people do with them there, and its events."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import stripe

from metering.billing.models import Invoice
from metering.billing.providers.stripe.client import API_VERSION
from metering.billing.providers.stripe.provider import StripeProvider
from metering.inbox.models import WebhookEvent
from metering.inbox.processing import process_next
from metering.ledger.models import Account, Entry
from tenants.models import Tenant
from tests.factories.inbox import take_in, told
from tests.metering.billing.providers.scene import NOW, make_draft
from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.world import disputes, hosted

VISA = "4242424242424242"
DECLINED = "4000000000000341"
DAY_S = 86_400
HOUR = dt.timedelta(hours=1)


@dataclass
class Scene:
    """One Stripe account and us."""

    standin: StripeStandIn
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.stripe = stripe.StripeClient(
            "sk_test_any",
            stripe_version=API_VERSION,
            base_addresses={"api": self.standin.url},
        )
        self.account = self.standin.engine.account

    def issue(
        self, *amounts: int, tenant: Tenant | None = None, currency: str = "USD"
    ) -> Invoice:
        """Issue an invoice through Stripe."""
        invoice = make_draft(
            *amounts, provider="stripe", tenant=tenant, currency=currency
        )
        provider = StripeProvider()
        for _ in range(3):
            provider.advance(invoice, now=NOW)
            invoice.refresh_from_db()
        assert invoice.hosted_url, invoice.problem
        return invoice

    def pay(self, invoice: Invoice, card: str = VISA) -> str:
        """Pay an invoice on its page; return the payment intent."""
        with self.standin.engine.opened(self.account):
            intent = hosted.pay_invoice(self.account, invoice.provider_reference, card)
        return str(intent["id"])

    def overpay(self, invoice: Invoice, amount: int) -> str:
        """Let a payment that was made elsewhere pay an invoice; return its intent."""
        customer = self.account.invoices[invoice.provider_reference]["customer"]
        intent = self.stripe.v1.payment_intents.create(
            {
                "amount": amount,
                "currency": invoice.currency.lower(),
                "customer": customer,
                "payment_method": "pm_card_visa",
                "confirm": True,
                "automatic_payment_methods": {
                    "enabled": True,
                    "allow_redirects": "never",
                },
            }
        )
        self.stripe.v1.invoices.attach_payment(
            invoice.provider_reference, {"payment_intent": intent.id}
        )
        return intent.id

    def balance(self, invoice: Invoice) -> int:
        """Return what an invoice's customer owes for later there."""
        customer = self.account.invoices[invoice.provider_reference]["customer"]
        return int(self.account.customers[customer]["balance"])

    def refund(self, intent: str, amount: int, **params: Any) -> str:
        """Give money back, in the dashboard; return the refund."""
        asked: Any = {"payment_intent": intent, "amount": amount, **params}
        return self.stripe.v1.refunds.create(asked).id

    def dispute(self, intent: str) -> str:
        """Let the payer's bank dispute a payment; return the dispute."""
        charge = self.stripe.v1.payment_intents.retrieve(intent).latest_charge
        with self.standin.engine.opened(self.account):
            made = disputes.dispute_charge(self.account, str(charge), "fraudulent")
        return str(made["id"])

    def decide(self, dispute: str, outcome: Any) -> None:
        """Let the bank decide."""
        with self.standin.engine.opened(self.account):
            disputes.decide(self.account, dispute, outcome)

    def wait(self, seconds: float) -> None:
        """Let time pass there."""
        self.standin.advance(seconds)

    # What we are told -----------------------------------------------------------------

    def events(self, *prefixes: str) -> list[dict[str, Any]]:
        """Return the events so far, the oldest first."""
        rows = list(self.account.events.rows.values())
        return [row for row in rows if not prefixes or row["type"].startswith(prefixes)]

    def tell(self, events: Iterable[dict[str, Any]]) -> None:
        """Take events in, in this order, and see each through before the next."""
        for event in events:
            self.seen.add(event["id"])
            take_in(
                told(
                    event["id"],
                    event["type"],
                    event["data"]["object"]["id"],
                    dt.datetime.fromtimestamp(event["created"], tz=dt.UTC),
                ),
                now=NOW,
            )
            self.process()

    def settle(self) -> None:
        """Take in what is new, and see it through."""
        self.tell([event for event in self.events() if event["id"] not in self.seen])

    def process(self, *, now: dt.datetime = NOW) -> None:
        """See everything through that is due now."""
        while process_next(now=now):
            pass

    def problems(self) -> list[str]:
        """Return what is wrong with events."""
        rows = WebhookEvent.objects.exclude(problem="")
        return [f"{row.type}: {row.problem}" for row in rows.order_by("pk")]


def balances(tenant: Tenant) -> dict[str, int]:
    """Return what stands on a tenant's accounts, in picos, debits positive."""
    found: dict[str, int] = {}
    for account in Account.objects.filter(tenant_id=tenant.pk):
        entries = Entry.objects.filter(account=account)
        total = sum(
            int(amount) for amount in entries.values_list("amount_picos", flat=True)
        )
        if total:
            found[account.kind] = total
    return found
