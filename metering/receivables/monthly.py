"""What a month's report says of invoices: open at its end, corrected in it, and taxed.

A month is one of the tenants' days, as in the ledger (`ledger_book_date`), so that what
was open at its end is the receivable that the books had then. Failure: none of its own.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Sum

from kit.orm.atomic import cursor
from metering.billing.models import Invoice, InvoiceLine
from metering.receivables.ageing import OpenInvoice, open_invoice
from metering.receivables.models import CreditNote, CreditNoteLine

# The day that the books have it on, as it was then: the tenant's zone may change. What
# was written by a release before has none.
_BOOKED = "coalesce(fact.booked_date, ledger_book_date(fact.tenant_id, fact.{at}))"
# What is open now, and what was taken off since is on it again.
_OPEN_THEN = f"""
WITH issued AS (
    SELECT id, tenant_id, public_id, number, kind, issued_date, due_date, amount_minor,
        amount_minor - paid_minor - credited_minor - written_off_minor AS open_minor
    FROM billing_invoice
    WHERE number IS NOT NULL AND currency = %(currency)s
        AND issued_date <= %(last)s
),
since AS (
    SELECT fact.invoice_id, fact.amount_minor
    FROM receivables_payment fact WHERE {_BOOKED.format(at="created_at")} > %(last)s
    UNION ALL
    SELECT payment.invoice_id, -fact.amount_minor
    FROM receivables_refund fact
    JOIN receivables_payment payment ON payment.id = fact.payment_id
    WHERE {_BOOKED.format(at="refunded_at")} > %(last)s
    UNION ALL
    SELECT fact.invoice_id, fact.amount_minor - fact.restored_minor
    FROM receivables_creditnote fact WHERE {_BOOKED.format(at="issued_at")} > %(last)s
    UNION ALL
    SELECT fact.invoice_id, fact.amount_minor
    FROM receivables_writeoff fact
    WHERE {_BOOKED.format(at="written_off_at")} > %(last)s
),
again AS (
    SELECT invoice_id, sum(amount_minor) AS minor FROM since GROUP BY 1
)
SELECT issued.id, issued.public_id, issued.number, issued.tenant_id, tenant.slug,
    issued.kind, issued.issued_date, issued.due_date, issued.amount_minor,
    issued.open_minor + coalesce(again.minor, 0)
FROM issued
LEFT JOIN again ON again.invoice_id = issued.id
JOIN tenants_tenant tenant ON tenant.id = issued.tenant_id
WHERE issued.open_minor + coalesce(again.minor, 0) <> 0
ORDER BY issued.due_date, issued.id
"""  # noqa: S608 - put together from the constants above


@dataclass(frozen=True, slots=True)
class Correction:
    """What an invoice charged of earlier months, or a note took back of an invoice."""

    number: str
    invoice: UUID
    """The invoice that it stands on, or is of."""
    tenant: str
    date: dt.date
    what: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Taxed:
    """What one rate came to in a month: on invoices, taken back by notes."""

    name: str
    currency: str
    invoices: int
    charged_minor: int
    taken_back_minor: int

    @property
    def owed_minor(self) -> int:
        """Return what of it is owed to the authority."""
        return self.charged_minor - self.taken_back_minor


def open_then(*, last: dt.date, currency: str) -> list[OpenInvoice]:
    """Return what was open at the end of a day, as the books have it."""
    with cursor() as session:
        session.execute(_OPEN_THEN, {"currency": currency, "last": last})
        rows = session.fetchall()
    return [open_invoice(row, as_of=last, currency=currency) for row in rows]


def corrections(*, first: dt.date, last: dt.date, currency: str) -> list[Correction]:
    """Return what was corrected in a month, by invoice and by note."""
    issued = Invoice.objects.filter(
        issued_date__gte=first, issued_date__lte=last, currency=currency
    )
    late = (
        InvoiceLine.objects.filter(invoice__in=issued, kind=InvoiceLine.Kind.ADJUSTMENT)
        .values_list(
            "invoice__number",
            "invoice__public_id",
            "invoice__tenant__slug",
            "invoice__issued_date",
        )
        .annotate(lines=Count("pk"), total=Sum("amount_minor"))
        .order_by("invoice__number")
    )
    noted = CreditNote.objects.filter(
        issued_date__gte=first, issued_date__lte=last, currency=currency
    ).order_by("number")
    return [
        *(
            Correction(number, public_id, slug, date, what, int(total), currency)
            for number, public_id, slug, date, lines, total in late
            for what in (f"{lines} lines of earlier use",)
        ),
        *(
            Correction(number, public_id, slug, date, reason, -amount, currency)
            for number, public_id, slug, date, reason, amount in noted.values_list(
                "number",
                "invoice__public_id",
                "tenant__slug",
                "issued_date",
                "reason",
                "amount_minor",
            )
        ),
    ]


def taxed(*, first: dt.date, last: dt.date, currency: str) -> list[Taxed]:
    """Return the tax of a month's invoices and notes, by the rates' names."""
    charged = (
        InvoiceLine.objects.filter(
            kind=InvoiceLine.Kind.TAX,
            invoice__issued_date__gte=first,
            invoice__issued_date__lte=last,
            invoice__currency=currency,
        )
        .values_list("description")
        .annotate(invoices=Count("invoice", distinct=True), total=Sum("amount_minor"))
    )
    noted = dict(
        CreditNoteLine.objects.filter(
            kind=InvoiceLine.Kind.TAX,
            note__issued_date__gte=first,
            note__issued_date__lte=last,
            note__currency=currency,
        )
        .values_list("description")
        .annotate(total=Sum("amount_minor"))
    )
    found = {name: (number, int(total)) for name, number, total in charged.order_by()}
    return [
        Taxed(
            name,
            currency,
            *found.get(name, (0, 0)),
            taken_back_minor=int(noted.get(name, 0)),
        )
        for name in sorted({*found, *noted})
    ]
