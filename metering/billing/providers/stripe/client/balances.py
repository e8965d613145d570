"""What customers owe from one invoice to the next, or have there, as Stripe counts."""

from collections.abc import Mapping
from dataclasses import dataclass

from metering.billing.providers.stripe.client.transport import (
    PAGE_ROWS,
    Subject,
    id_of,
    metadata_of,
    two_kinds_of_failure,
)


@dataclass(frozen=True, slots=True)
class RemoteMove:
    """A change of a customer's balance; what the customer owes more is above zero.

    `kind` says why it changed, `invoice` for which; `ending_minor` is what it was then.
    """

    reference: str
    amount_minor: int
    currency: str
    metadata: Mapping[str, str]
    kind: str = ""
    invoice: str = ""
    ending_minor: int = 0

    @property
    def taken_minor(self) -> int:
        """Return how much of what the customer was owed this took."""
        before = self.ending_minor - self.amount_minor
        return max(-before, 0) - max(-self.ending_minor, 0)


class Balances(Subject):
    """Calls about customers' balances."""

    @two_kinds_of_failure
    def of_customer(self, customer: str) -> int:
        """Return what a customer owes by now; below zero, what it is owed."""
        return int(getattr(self._v1.customers.retrieve(customer), "balance", None) or 0)

    @two_kinds_of_failure
    def moves(self, customer: str) -> list[RemoteMove]:
        """Return what changed a customer's balance, the latest first."""
        listed = self._v1.customers.balance_transactions.list(
            customer, {"limit": PAGE_ROWS}
        )
        return [
            RemoteMove(
                row.id,
                row.amount,
                row.currency,
                metadata_of(row.metadata),
                kind=row.type,
                invoice=id_of(row.invoice),
                ending_minor=row.ending_balance,
            )
            for row in listed.auto_paging_iter()
        ]

    @two_kinds_of_failure
    def move(self, customer: str, made: RemoteMove, *, key: str) -> str:
        """Change a customer's balance as `made` says; return the change's reference."""
        row = self._v1.customers.balance_transactions.create(
            customer,
            {
                "amount": made.amount_minor,
                "currency": made.currency,
                "metadata": dict(made.metadata),
            },
            {"idempotency_key": key},
        )
        return row.id
