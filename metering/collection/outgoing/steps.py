"""One fact on its way out, and what else must be told before it."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from metering.billing import operations
from metering.billing.operations import Call, NotYet
from metering.billing.providers.stripe.customers import PROVIDER
from metering.collection.models import Outgoing

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount
    from metering.billing.providers.stripe.client.collected import CollectedInvoice

T = TypeVar("T")


class Skipped(Exception):
    """It is not to be told any more; says why."""


class Differs(Exception):
    """What is there does not fit what is to be told; says how."""


@dataclass(frozen=True, slots=True)
class Step:
    """A fact that is being told."""

    row: Outgoing
    now: dt.datetime

    def call(self, name: str, subject: str) -> Call:
        """Return a call for it."""
        row = self.row
        return Call(PROVIDER, row.account, name, subject, row.tenant_id, row.invoice)

    def perform(
        self, call: Call, send: Callable[[str], T], reference: Callable[[T], str]
    ) -> T:
        """Make a call through the outbox."""
        return operations.perform(call, send=send, record=reference, now=self.now)

    def require_told(self, *kinds: Outgoing.Kind) -> None:
        """Wait while something else of the invoice is to be told first."""
        before = Outgoing.objects.filter(
            invoice=self.row.invoice, kind__in=kinds, state=Outgoing.State.WAITING
        )
        if before.exclude(pk=self.row.pk).exists():
            raise NotYet("Something else of this invoice is told first.")

    def invoice_at(self, client: "StripeAccount") -> "CollectedInvoice":
        """Read the invoice there; raises what says that it is not as it should be."""
        invoice = self.row.invoice
        if not invoice.provider_reference or not invoice.hosted_url:
            raise NotYet("The invoice is still on its way to the provider.")
        found = client.collected.invoice(invoice.provider_reference)
        if found is None or found.status in ("draft", "void"):
            raise Differs(f"its invoice is {found.status if found else 'gone'} there")
        return found
