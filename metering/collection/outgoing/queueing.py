"""Note what an invoice's provider is to be told, in the transaction that decides it.

Failure: part of that transaction. Rows of facts are unique, so that looking again adds
nothing. Owns: that a fact is told.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from metering.billing.models import Invoice
from metering.billing.paid import invoice_settled
from metering.billing.providers.stripe.customers import PROVIDER
from metering.billing.taxing import TAX_SOURCE
from metering.collection.models import Outgoing, ProviderPayment
from metering.receivables.models import Refund

# What came from the provider is called so, and is not told to it again.
FROM_THERE = f"{PROVIDER} "
Kind = Outgoing.Kind
State = Outgoing.State


def connect() -> None:
    """Listen to whatever happens to invoices."""
    invoice_settled.connect(_settled, dispatch_uid="collection.outgoing")


def _settled(invoice: Invoice, now: dt.datetime, **_: Any) -> None:
    facts = [
        (kind, fact_id, invoice.provider_account) for kind, fact_id in _own(invoice)
    ]
    facts += [(Kind.REFUND, fact_id, account) for fact_id, account in _refunds(invoice)]
    facts += _taxes(invoice)
    Outgoing.objects.bulk_create(
        (
            Outgoing(
                tenant_id=invoice.tenant_id,
                invoice=invoice,
                kind=kind,
                fact_id=fact_id,
                account=account,
                asked_at=now,
                try_at=now,
            )
            for kind, fact_id, account in facts
        ),
        ignore_conflicts=True,
    )
    if any(kind == Kind.PAID_ELSEWHERE for kind, _, _ in facts):
        # It was open again when that was looked at, and is paid anew.
        Outgoing.objects.filter(
            kind=Kind.PAID_ELSEWHERE, fact_id=invoice.pk, state=State.SKIPPED
        ).update(state=State.WAITING, try_at=now, ended_at=None)


def _own(invoice: Invoice) -> Iterator[tuple[Kind, int]]:
    """Give what an invoice that the provider issued has come to here."""
    if invoice.provider != PROVIDER:
        return
    for pk in invoice.notes.values_list("pk", flat=True):
        yield Kind.CREDIT_NOTE, pk
    for pk in invoice.write_offs.filter(amount_minor__gt=0).values_list(
        "pk", flat=True
    ):
        yield Kind.WRITE_OFF, pk
    elsewhere = invoice.payments.exclude(reference__startswith=FROM_THERE)
    if invoice.state == Invoice.State.PAID and elsewhere.exists():
        yield Kind.PAID_ELSEWHERE, invoice.pk


def _refunds(invoice: Invoice) -> Iterator[tuple[int, str]]:
    """Give what is to go back of payments that came through the provider."""
    links = ProviderPayment.objects.filter(payment__invoice=invoice)
    accounts = dict(links.values_list("payment_id", "account"))
    rows = Refund.objects.filter(
        payment__in=list(accounts), outlet=Refund.Outlet.PAID_BACK
    ).exclude(reference__startswith=FROM_THERE)
    for pk, payment_id in rows.values_list("pk", "payment_id"):
        yield pk, accounts[payment_id]


def _taxes(invoice: Invoice) -> Iterator[tuple[Kind, int, str]]:
    """Give what the provider computed tax on, and what was taken back of it."""
    source: dict[str, str] | None = invoice.basis.get(TAX_SOURCE)
    if source is None:
        return
    account = source["account"]
    if invoice.state == Invoice.State.PAID:
        yield Kind.TAX_SALE, invoice.pk, account
    for pk in invoice.notes.values_list("pk", flat=True):
        yield Kind.TAX_REVERSAL, pk, account
