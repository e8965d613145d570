"""Read what happened to an invoice, and let its row follow: the one place that does.

Whoever writes a fact holds the invoice first (`held`), so that two never decide on the
same open amount, and settles it last. Once an invoice is paid, whoever waits for that
is told, and a tenant that was suspended for it is restored, in the same transaction.
Owns: `state`, `paid_minor`, `credited_minor` and `written_off_minor` of invoices that
were issued.
"""

import datetime as dt
from typing import Any

from django.db.models import QuerySet, Sum

from kit.errors import Conflict, InvalidRequest
from kit.money import picos_from_minor
from kit.orm.audited import tell
from metering.billing.models import Invoice, InvoiceLine
from metering.billing.paid import invoice_paid, invoice_settled
from metering.ledger.models import Account, Transaction
from metering.ledger.services import Amount, Posting, post
from metering.receivables.crediting import Creditable
from metering.receivables.dunning import recover
from metering.receivables.models import (
    CreditNote,
    CreditNoteLine,
    Payment,
    Refund,
    WriteOff,
)
from metering.receivables.standing import Facts, State, state_of

_FOLLOWING = ("state", "paid_minor", "credited_minor", "written_off_minor")


def held(invoice: Invoice) -> Invoice:
    """Lock an issued invoice until the transaction ends.

    Raises `Conflict` for a draft: nobody owes it yet.
    """
    # Without its relations: a lock on a tenant's row would stop its other writes.
    row = Invoice.objects.select_for_update(of=("self",)).get(pk=invoice.pk)
    if row.number is None:
        raise Conflict(
            "It is a draft and asks for nothing yet: wait until it is issued."
        )
    return row


def facts_of(invoice: Invoice) -> Facts:
    """Return what happened to an invoice up to now."""
    drawn = invoice.lines.filter(kind=InvoiceLine.Kind.CREDIT)
    notes = CreditNote.objects.filter(invoice=invoice)
    return Facts(
        is_issued=invoice.number is not None,
        asked_minor=invoice.amount_minor,
        drawn_minor=-_sum(drawn),
        received_minor=_sum(Payment.objects.filter(invoice=invoice)),
        refunded_minor=_sum(Refund.objects.filter(payment__invoice=invoice)),
        noted_minor=_sum(notes),
        restored_minor=_sum(notes, "restored_minor"),
        written_off_minor=_sum(WriteOff.objects.filter(invoice=invoice)),
    )


def creditable(invoice: Invoice) -> list[Creditable]:
    """Return an invoice's lines with what notes took back of each."""
    noted = dict(
        CreditNoteLine.objects.filter(note__invoice=invoice)
        .values_list("line_id")
        .annotate(total=Sum("amount_minor"))
        .order_by()
    )
    return [
        Creditable(
            line.position, line.kind, line.amount_minor, int(noted.get(line.pk) or 0)
        )
        for line in invoice.lines.order_by("position")
    ]


def require_reference(reference: str) -> None:
    """Refuse what PostgreSQL cannot even look for."""
    if not reference.strip() or "\0" in reference:
        raise InvalidRequest("Give a reference, in plain text.", param="reference")


def settle(invoice: Invoice, *, now: dt.datetime) -> Invoice:
    """Let a held invoice follow what happened to it; tell who waits for its payment."""
    facts = facts_of(invoice)
    follows: dict[str, object] = {
        "state": state_of(facts),
        "paid_minor": facts.paid_minor,
        "credited_minor": facts.credited_minor,
        "written_off_minor": facts.written_off_minor,
    }
    before = {name: getattr(invoice, name) for name in _FOLLOWING}
    if follows == before:
        invoice_settled.send(sender=Invoice, invoice=invoice, now=now)
        return invoice
    for name, value in follows.items():
        setattr(invoice, name, value)
    invoice.save(update_fields=_FOLLOWING)
    tell(invoice, action="settle", before=before, after=follows)
    if invoice.state != State.OPEN:
        recover(tenant_id=invoice.tenant_id, invoice=invoice, now=now)
    if invoice.state == State.PAID != before["state"]:
        invoice_paid.send(sender=Invoice, invoice=invoice, now=now)
    invoice_settled.send(sender=Invoice, invoice=invoice, now=now)
    return invoice


def book(
    invoice: Invoice,
    kind: Transaction.Kind,
    source: str,
    amounts: dict[Account.Kind, int],
    *,
    now: dt.datetime,
) -> None:
    """Post amounts in minor units, debits positive; the receivable takes the rest."""
    sides = [
        Amount(account, picos_from_minor(minor, invoice.currency))
        for account, minor in amounts.items()
        if minor
    ]
    rest = -sum(side.picos for side in sides)
    posting = Posting(
        tenant_id=invoice.tenant_id,
        kind=kind,
        source=source,
        currency=invoice.currency,
        occurred_at=now,
        amounts=(*sides, Amount(Account.Kind.RECEIVABLE, rest)),
    )
    post(postings=[posting])


def _sum(rows: QuerySet[Any], name: str = "amount_minor") -> int:
    return int(rows.aggregate(total=Sum(name))["total"] or 0)
