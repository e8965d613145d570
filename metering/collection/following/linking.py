"""Which payments of ours a payment at a provider is, and what of them can go back.

Failure: more than is left of them is a `Conflict`. Owns: `ProviderPayment`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kit.errors import Conflict
from kit.money import format_minor
from metering.collection.models import ProviderPayment
from metering.receivables.models import Payment
from metering.receivables.paying import left_of

PAYMENT_MARKS = ("intent", "charge")


@dataclass(frozen=True, slots=True)
class Source:
    """Which payment of which account it is about; by its intent, else by its charge."""

    account: str
    intent: str = ""
    charge: str = ""


def link_payment(*, payment: Payment, source: Source, reference: str) -> None:
    """Note which payment at the provider a payment of ours is; in its transaction."""
    ProviderPayment.objects.create(
        tenant_id=payment.tenant_id,
        payment=payment,
        account=source.account,
        reference=reference,
        intent=source.intent,
        charge=source.charge,
    )


def is_linked(*, account: str, reference: str) -> bool:
    """Tell whether something paid at the provider was recorded here."""
    return ProviderPayment.objects.filter(account=account, reference=reference).exists()


def payments_of(source: Source) -> list[Payment]:
    """Return our payments, those of the latest invoice first: the order of locks."""
    rows = ProviderPayment.objects.filter(account=source.account)
    if source.intent:
        rows = rows.filter(intent=source.intent)
    elif source.charge:
        rows = rows.filter(charge=source.charge)
    else:
        return []
    linked = rows.select_related("payment__invoice")
    return [
        row.payment for row in linked.order_by("-payment__invoice_id", "payment_id")
    ]


def spread(amount_minor: int, payments: Sequence[Payment]) -> list[tuple[Payment, int]]:
    """Divide what goes back over payments whose invoices are held.

    Raises `Conflict` for more than is left of them.
    """
    left, parts = amount_minor, []
    for payment in payments:
        part = min(left, left_of(payment))
        if part:
            parts.append((payment, part))
            left -= part
    if left:
        currency = payments[0].invoice.currency if payments else ""
        there = format_minor(amount_minor, currency) if currency else amount_minor
        raise Conflict(
            f"{there} went back at the provider, and that much is not left of the"
            " payment here: was some of it given back or kept as credit already?"
        )
    return parts
