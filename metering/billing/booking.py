"""What the ledger says of an issued invoice: lines and rounding = receivable.

Use accrued as it was posted, at its linear price, and credit took its part of that when
it was drawn; the invoice takes the rest. What a component charges more or less than the
linear price is revenue, and so are fees and what fills a commitment. A fee in advance
is deferred until the period that it pays for is closed; so is what tops up a wallet,
until the payment arrives and makes it credit.
"""

import datetime as dt
from collections import defaultdict

from django.db.models import F, Q, Sum
from django.db.models.fields.json import KT

from kit.money import picos_from_minor
from metering.billing.lines import LineKind
from metering.billing.marks import charged_picos
from metering.billing.models import Invoice, InvoiceLine, Period
from metering.ledger.models import Account, Transaction
from metering.ledger.services import Amount, Posting, post
from metering.subscriptions.terms import FeeKind

_Kind = Account.Kind
# These stand in every invoice's transaction, the others where there is something.
_ALWAYS = (_Kind.RECEIVABLE, _Kind.ACCRUED, _Kind.ROUNDING)


def amounts_of(invoice: Invoice) -> dict[Account.Kind, int]:
    """Return what an invoice debits (positive) and credits each account, in picos."""
    sums = _sums(invoice)
    linear = 0 if invoice.period_id is None else charged_picos(invoice)
    advance = sums.pop((LineKind.FEE, FeeKind.ADVANCE), 0)
    by_kind: dict[str, int] = defaultdict(int)
    for (kind, _), picos in sums.items():
        by_kind[kind] += picos
    earned = (
        LineKind.USAGE,
        LineKind.ADJUSTMENT,
        LineKind.COMPONENT,
        LineKind.FEE,
        LineKind.COMMITMENT,
    )
    charged = picos_from_minor(invoice.amount_minor, invoice.currency)
    amounts = {
        _Kind.RECEIVABLE: charged,
        # A credit line is negative: what it took of the accrued is booked already.
        _Kind.ACCRUED: -linear - by_kind[LineKind.CREDIT],
        _Kind.REVENUE: linear - sum(by_kind[kind] for kind in earned),
        _Kind.DEFERRED: -advance - by_kind[LineKind.TOP_UP],
        _Kind.DISCOUNTS: -by_kind[LineKind.DISCOUNT],
        _Kind.TAX: -by_kind[LineKind.TAX],
    }
    amounts[_Kind.ROUNDING] = -sum(amounts.values())
    return {
        account: picos
        for account, picos in amounts.items()
        if picos or account in _ALWAYS
    }


def book_invoice(invoice: Invoice, *, now: dt.datetime) -> None:
    """Post what a tenant owes by an invoice, once."""
    amounts = amounts_of(invoice)
    posting = Posting(
        tenant_id=invoice.tenant_id,
        kind=Transaction.Kind.INVOICE,
        source=str(invoice.public_id),
        currency=invoice.currency,
        occurred_at=now,
        amounts=tuple(Amount(account, picos) for account, picos in amounts.items()),
    )
    post(postings=[posting])


def earn_advance_fees(period: Period, *, now: dt.datetime) -> None:
    """Take over as revenue what was paid in advance for periods that are closed now.

    For the one that closes; and where its invoice carries what others before it came
    to, for those too: they were closed without anything to be earned.
    """
    begins = str(period.first_date)
    carried = Q(invoice__period=period, document__first_date__lt=begins)
    lines = (
        InvoiceLine.objects.filter(
            Q(document__first_date=begins) | carried,
            tenant_id=period.tenant_id,
            kind=LineKind.FEE,
            document__fee=str(FeeKind.ADVANCE),
        )
        .select_related("invoice")
        .order_by("pk")
    )
    post(
        postings=[
            Posting(
                tenant_id=period.tenant_id,
                kind=Transaction.Kind.FEE,
                source=f"{line.invoice.public_id} {line.key}",
                currency=line.invoice.currency,
                occurred_at=now,
                amounts=(
                    Amount(_Kind.DEFERRED, line.exact_picos),
                    Amount(_Kind.REVENUE, -line.exact_picos),
                ),
            )
            for line in lines
        ]
    )


def _sums(invoice: Invoice) -> dict[tuple[str, str], int]:
    """Return the exact sums of lines, by kind and, of fees, what they are for."""
    rows = (
        InvoiceLine.objects.filter(invoice=invoice)
        .values_list("kind", KT("document__fee"))
        .annotate(picos=Sum(F("exact_picos")))
        .order_by("kind")
    )
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for kind, fee, picos in rows:
        # Of a fee's discount the kind decides: it is a discount.
        sums[kind, fee if kind == LineKind.FEE and fee else ""] += int(picos)
    return sums
