"""Issue credit notes: a number of their own series, what they book, where money goes.

What a note comes to first takes off what is open, then takes back what was given up;
of what was paid it goes back as asked for, and the rest, which credit paid, is credit
again. Numbers are gapless per seller: taken from a locked counter in the transaction
that issues the note.

Failure: all or nothing. A reference that was used before answers with that note. Owns:
credit notes, their lines, numbers and postings.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, Sum

from kit.errors import Conflict
from kit.ids import uuid7
from kit.money import format_minor, picos_from_minor
from kit.orm.atomic import atomic
from kit.orm.saving import create
from metering.billing.models import Invoice, InvoiceLine, Seller
from metering.billing.taxing import is_automatic
from metering.ledger.models import Account, CreditGrant, Transaction
from metering.ledger.months import book_date
from metering.ledger.services import grant_credit
from metering.receivables.crediting import NOT_NET, gross_amounts, note_amounts
from metering.receivables.giving_up import take_back
from metering.receivables.models import (
    CreditNote,
    CreditNoteLine,
    NoteCounter,
    Payment,
    Refund,
)
from metering.receivables.paying import give_back, left_of
from metering.receivables.settling import (
    book,
    creditable,
    facts_of,
    held,
    require_reference,
    settle,
)
from metering.receivables.unselling import require_outlet, take_credit_back
from metering.usage.zones import date_at

Kind = InvoiceLine.Kind
_BOOKED = {
    Kind.TAX: Account.Kind.TAX,
    Kind.DISCOUNT: Account.Kind.DISCOUNTS,
    Kind.TOP_UP: Account.Kind.DEFERRED,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a note is to take back and why.

    `lines` gives minor units by position of the invoice's lines, or None for all that
    is left; `gross_minor` gives a sum instead, tax in it. `outlet` says where money
    that was paid goes: one of `paying.EXCESS`; of a top-up that is paid, paid back or
    charged back.
    """

    reason: str
    reference: str
    lines: Mapping[int, int] | None = None
    outlet: str = ""
    gross_minor: int | None = None


def issue_credit_note(
    *, invoice: Invoice, wanted: Wanted, now: dt.datetime
) -> CreditNote:
    """Take back an invoice's lines, or parts of them, with the tax on them.

    Raises `Conflict` for more than is left, where money was paid and `outlet` does not
    say where it goes, for credit that is used already, and for what this installation
    did not issue.
    """
    require_reference(wanted.reference)
    with atomic():
        row = held(invoice)
        known = CreditNote.objects.filter(
            tenant_id=row.tenant_id, reference=wanted.reference
        ).first()
        if known is not None:
            return _same(known, row, wanted)
        _require_our_tax(row)
        require_outlet(row, wanted.outlet)
        lines = {line.position: line for line in row.lines.order_by("position")}
        note = _write(row, wanted, lines, _amounts(row, wanted), now)
        _book(note, row, now)
        _give_back(note, row, wanted.outlet, now)
        take_credit_back(note, row, wanted.outlet, now=now)
        settle(row, now=now)
    return note


def _require_our_tax(invoice: Invoice) -> None:
    # Its tax is shared out by whoever computed it, and may come to another cent; where
    # the invoice is ours all the same, as of paid credit, we say how it is shared.
    is_theirs = invoice.provider != "offline" and invoice.kind != Invoice.Kind.TOP_UP
    if is_automatic(invoice) and is_theirs:
        raise Conflict(
            f"{invoice.provider} computed the tax of this invoice: issue its credit"
            " note there."
        )


def _amounts(invoice: Invoice, wanted: Wanted) -> dict[int, int]:
    """Return what is taken back of each line, by position."""
    lines = creditable(invoice)
    if wanted.gross_minor is None:
        return note_amounts(lines, wanted.lines, currency=invoice.currency)
    return gross_amounts(lines, wanted.gross_minor, currency=invoice.currency)


def _write(
    invoice: Invoice,
    wanted: Wanted,
    lines: Mapping[int, InvoiceLine],
    amounts: Mapping[int, int],
    now: dt.datetime,
) -> CreditNote:
    """Write a note with its lines; it is known before what credit it restores."""
    amount = sum(amounts.values())
    facts = facts_of(invoice)
    money = facts.open_minor + facts.written_off_minor + facts.paid_minor
    note = CreditNote(
        public_id=uuid7(int(now.timestamp() * 1000)),
        tenant_id=invoice.tenant_id,
        invoice=invoice,
        seller_id=invoice.seller_id,
        number=_next_number(invoice.seller, now),
        currency=invoice.currency,
        reason=wanted.reason,
        reference=wanted.reference,
        amount_minor=amount,
        tax_minor=sum(
            minor for at, minor in amounts.items() if lines[at].kind == Kind.TAX
        ),
        restored_minor=max(amount - money, 0),
        buyer=invoice.buyer,
        seller_details=invoice.seller_details,
        issued_at=now,
        issued_date=date_at(now, invoice.tenant.zone),
        booked_date=book_date(tenant_id=invoice.tenant_id, at=now),
    )
    create(note, action="issue")
    CreditNoteLine.objects.bulk_create(
        CreditNoteLine(
            tenant_id=invoice.tenant_id,
            note=note,
            line=lines[at],
            position=at,
            kind=lines[at].kind,
            description=lines[at].description,
            amount_minor=minor,
        )
        for at, minor in amounts.items()
    )
    return note


def _next_number(seller: Seller, now: dt.datetime) -> str:
    NoteCounter.objects.bulk_create([NoteCounter(seller=seller)], ignore_conflicts=True)
    counter = NoteCounter.objects.select_for_update().get(seller=seller)
    counter.last_number += 1
    counter.save(update_fields=["last_number"])
    year = now.astimezone(dt.UTC).year
    return f"{counter.prefix}{year}-{counter.last_number:06d}"


def _book(note: CreditNote, invoice: Invoice, now: dt.datetime) -> None:
    """Take back from where each line was earned, and from the receivable."""
    amounts: dict[Account.Kind, int] = defaultdict(int)
    for line in note.lines.all():
        amounts[_BOOKED.get(Kind(line.kind), Account.Kind.REVENUE)] += line.amount_minor
    book(
        invoice,
        Transaction.Kind.CREDIT_NOTE,
        str(note.public_id),
        dict(amounts),
        now=now,
    )


def _give_back(
    note: CreditNote, invoice: Invoice, outlet: str, now: dt.datetime
) -> None:
    """Let what is more than was open go where it came from."""
    # The note counts already: what is open fell below nothing by what is to go back.
    left = -facts_of(invoice).open_minor
    given_up = min(max(left, 0), facts_of(invoice).written_off_minor)
    if given_up:
        take_back(invoice, given_up, reason=f"credited by {note}", now=now)
        left -= given_up
    if left > 0 and not outlet:
        paid = format_minor(left, invoice.currency)
        raise Conflict(
            f"Of what it takes back {paid} was paid: say by outlet where that goes.",
            param="outlet",
        )
    payments = Payment.objects.filter(invoice=invoice).order_by("-pk")
    for payment in payments if left > 0 else ():
        part = min(left, left_of(payment))
        if part:
            give_back(
                payment,
                amount_minor=part,
                outlet=outlet,
                reference=f"{note} of payment {payment.pk}",
                reason=f"Credited by {note}.",
                now=now,
            )
            left -= part
    if note.restored_minor:
        _restore(note, invoice, now)


def _restore(note: CreditNote, invoice: Invoice, now: dt.datetime) -> None:
    """Give credit again that had paid for what is taken back."""
    # The grant is booked out of discounts; what was earned pays for it instead.
    out = {Account.Kind.DISCOUNTS: -note.restored_minor}
    book(invoice, Transaction.Kind.REFUND, f"{note} as credit", out, now=now)
    grant_credit(
        tenant=invoice.tenant,
        now=now,
        source=CreditGrant.Source.ADJUSTMENT,
        amount_picos=picos_from_minor(note.restored_minor, invoice.currency),
        reference=f"credit note {note}",
    )


def _same(known: CreditNote, invoice: Invoice, wanted: Wanted) -> CreditNote:
    same = (
        known.invoice_id == invoice.pk
        and known.reason == wanted.reason
        and _took_what_is_wanted(known, wanted)
        and _outlets_of(known) <= {wanted.outlet}
    )
    if not same:
        raise Conflict(
            "Another credit note was issued under this reference: choose another one.",
            param="reference",
        )
    return known


def _took_what_is_wanted(known: CreditNote, wanted: Wanted) -> bool:
    """Tell whether a note took back these lines, or all that was left before it."""
    if wanted.gross_minor is not None:
        return known.amount_minor == wanted.gross_minor
    taken = CreditNoteLine.objects.exclude(kind=Kind.TAX)
    if wanted.lines is None:
        upto = taken.filter(note__invoice=known.invoice_id, note__lte=known.pk)
        asked = known.invoice.lines.exclude(kind__in=NOT_NET)
        return _sum(upto) == _sum(asked)
    rows = taken.filter(note=known).values_list("position", "amount_minor")
    return dict(rows) == {
        position: minor for position, minor in wanted.lines.items() if minor
    }


def _outlets_of(known: CreditNote) -> set[str]:
    """Return where money went back that had been paid for what a note took back."""
    rows = Refund.objects.filter(
        tenant_id=known.tenant_id, reference__startswith=f"{known} of payment "
    )
    return set(rows.values_list("outlet", flat=True))


def _sum(rows: QuerySet[Any]) -> int:
    return int(rows.aggregate(total=Sum("amount_minor"))["total"] or 0)
