"""Disputes: what a payer's bank took back of a payment, and may have to return."""

import datetime as dt
from dataclasses import dataclass

import stripe

from metering.billing.providers.stripe.client.collected import instant
from metering.billing.providers.stripe.client.transport import (
    Subject,
    id_of,
    two_kinds_of_failure,
)


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that a dispute took from the account, or brought back to it.

    In the currency of the account, which may be another than the payment's.
    """

    reference: str
    amount_minor: int
    currency: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class RemoteDispute:
    """A dispute as Stripe has it; its amount as Stripe counts the currency."""

    reference: str
    status: str
    reason: str
    amount_minor: int
    currency: str
    intent: str
    charge: str
    opened_at: dt.datetime
    evidence_due_at: dt.datetime | None
    movements: tuple[Movement, ...]


class Disputes(Subject):
    """Calls about disputes."""

    @two_kinds_of_failure
    def read(self, reference: str) -> RemoteDispute:
        """Return a dispute."""
        row = self._v1.disputes.retrieve(reference)
        return RemoteDispute(
            reference=row.id,
            status=row.status,
            reason=row.reason,
            amount_minor=row.amount,
            currency=row.currency,
            intent=id_of(row.payment_intent),
            charge=id_of(row.charge),
            opened_at=dt.datetime.fromtimestamp(row.created, tz=dt.UTC),
            evidence_due_at=instant(row.evidence_details.due_by),
            movements=tuple(
                _movement(each)
                for each in sorted(
                    row.balance_transactions, key=lambda each: (each.created, each.id)
                )
            ),
        )


def _movement(row: stripe.BalanceTransaction) -> Movement:
    return Movement(
        reference=row.id,
        amount_minor=row.amount,
        currency=row.currency,
        at=dt.datetime.fromtimestamp(row.created, tz=dt.UTC),
    )
