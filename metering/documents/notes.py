"""An issued credit note as its document says it."""

from kit.money import format_minor
from metering.documents.invoices import BENEATH, plain
from metering.documents.paper import Paper, PaperLine, Sum, lines_in, party_of
from metering.receivables.models import CreditNote


def paper_of(note: CreditNote) -> Paper:
    """Return what a credit note's document says."""
    currency, invoice = note.currency, note.invoice
    rows = list(note.lines.order_by("position"))
    beneath = [row for row in rows if row.kind in BENEATH]
    subtotal = sum(row.amount_minor for row in rows if row.kind not in BENEATH)
    sums = [Sum("Subtotal", plain(subtotal, currency))] if beneath else []
    sums += [Sum(row.description, plain(row.amount_minor, currency)) for row in beneath]
    return Paper(
        title="Credit note",
        number=note.number,
        seller=party_of(note.seller_details, note.seller.name),
        buyer=party_of(note.buyer, note.tenant.name),
        facts=(
            ("Issued", str(note.issued_date)),
            ("For invoice", invoice.number or ""),
            ("Invoice issued", str(invoice.issued_date)),
            ("Currency", currency),
        ),
        currency=currency,
        headline="Credited",
        amount=format_minor(note.amount_minor, currency),
        instruction=note.reason,
        lines=tuple(
            PaperLine(row.description, "", "", "", plain(row.amount_minor, currency))
            for row in rows
            if row.kind not in BENEATH
        ),
        sums=tuple(sums),
        total=Sum("Total credited", plain(note.amount_minor, currency)),
        notes=(
            f"This note takes back what it lists of invoice {invoice.number}, which"
            " otherwise stays as it is.",
        ),
        payment=(),
        footer=" \u00b7 ".join(lines_in(note.seller_details.get("footer"))),
    )
