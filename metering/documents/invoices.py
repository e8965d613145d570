"""An issued invoice as its document says it: from what was frozen when it was issued.

Nothing is computed here but sums of what is stored: lines in the order in which they
stand, then credit and taxes, then what is to be paid. What was paid since is not said:
the document is of the day of issue.
"""

from collections import defaultdict
from collections.abc import Iterable

from kit.contracts import TokenClass
from kit.money import format_minor, format_picos
from metering.billing.lines import CLASS_NAMES
from metering.billing.marks import charged_by
from metering.billing.models import Invoice, InvoiceLine
from metering.billing.selectors import lines_of
from metering.documents.paper import (
    Annex,
    AnnexRow,
    Paper,
    PaperLine,
    Sum,
    lines_in,
    party_of,
)

Kind = InvoiceLine.Kind
# What stands beneath the subtotal.
BENEATH = frozenset({Kind.CREDIT, Kind.TAX})
ANNEX_ROWS_MAX = 2_000
_ROUNDED = (
    "Use is counted to the token and each line is rounded once, half up, to what is "
    "charged."
)


def paper_of(invoice: Invoice) -> Paper:
    """Return what an issued invoice's document says."""
    lines = list(lines_of(invoice))
    kept = invoice.seller_details
    charged = plain(invoice.amount_minor, invoice.currency)
    subtotal = sum(line.amount_minor for line in lines if line.kind not in BENEATH)
    beneath = [line for line in lines if line.kind in BENEATH]
    sums = [Sum("Subtotal", plain(subtotal, invoice.currency))] if beneath else []
    sums += [_sum(line, invoice.currency) for line in beneath]
    return Paper(
        title="Invoice",
        number=invoice.number or "",
        seller=party_of(kept, invoice.seller.name),
        buyer=party_of(invoice.buyer, invoice.tenant.name),
        facts=tuple(_facts(invoice)),
        currency=invoice.currency,
        headline="Amount due" if invoice.amount_minor else "Nothing is due",
        amount=format_minor(invoice.amount_minor, invoice.currency),
        instruction=_instruction(invoice),
        lines=tuple(
            paper_line(line, invoice.currency)
            for line in lines
            if line.kind not in BENEATH
        ),
        sums=tuple(sums),
        total=Sum("Total due", charged),
        notes=tuple(_notes(invoice, lines)),
        payment=_payment(invoice),
        footer=" \u00b7 ".join(lines_in(kept.get("footer"))),
        annexes=_annexes(invoice),
    )


def plain(minor: int, currency: str) -> str:
    """Return an amount without its currency, which the column says."""
    return format_minor(minor, currency).rpartition(" ")[0]


def paper_line(line: InvoiceLine, currency: str) -> PaperLine:
    """Return a line as it is laid out: of use its model, and beneath it its class."""
    title, detail = line.description, ""
    if line.model and line.description.startswith(f"{line.model}, "):
        title, detail = line.model, line.description.removeprefix(f"{line.model}, ")
    is_use = line.unit_picos is not None
    counts = is_use or line.document.get("meter") == "tokens"
    return PaperLine(
        title=title,
        detail=detail,
        quantity=f"{line.quantity:,}" if counts else "",
        price=line.price_per_million if is_use else "",
        amount=plain(line.amount_minor, currency),
    )


def _sum(line: InvoiceLine, currency: str) -> Sum:
    return Sum(line.description, plain(line.amount_minor, currency))


def _facts(invoice: Invoice) -> Iterable[tuple[str, str]]:
    yield "Issued", f"{invoice.issued_date}"
    if invoice.amount_minor:
        yield "Due", f"{invoice.due_date}"
    if invoice.first_date is not None:
        yield "Period", f"{invoice.first_date} to {invoice.last_date}"
    if order := invoice.buyer.get("po_number"):
        yield "Purchase order", str(order)
    yield "Currency", invoice.currency


def _instruction(invoice: Invoice) -> str:
    if not invoice.amount_minor:
        return "It has been paid from your credit, or there is nothing to pay."
    return f"Please pay by {invoice.due_date}, naming {invoice.number}."


def _notes(invoice: Invoice, lines: Iterable[InvoiceLine]) -> Iterable[str]:
    """Yield what must be said, such as why there is no tax, each once."""
    tax = invoice.basis.get("tax") or {}
    said = [tax.get("note"), *(line.document.get("note") for line in lines)]
    yield from dict.fromkeys(str(note) for note in said if note)
    yield _ROUNDED


def _payment(invoice: Invoice) -> tuple[str, ...]:
    if not invoice.amount_minor:
        return ()
    return lines_in(invoice.seller_details.get("bank_details"))


def _annexes(invoice: Invoice) -> tuple[Annex, ...]:
    """Return use by day, of each model and class, exactly as it was posted."""
    days: dict[tuple[str, str, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for posting in charged_by(invoice):
        key = (str(posting.date), posting.price.model, int(posting.token_class))
        quantity, picos = days[key]
        days[key] = quantity + posting.quantity, picos + posting.charge_picos
    places = max((_places(picos) for _, picos in days.values()), default=2)
    rows = [
        AnnexRow(
            name=date,
            model=model,
            token_class=CLASS_NAMES[TokenClass(token_class)],
            quantity=f"{quantity:,}",
            exact=_padded(picos, places),
        )
        for (date, model, token_class), (quantity, picos) in sorted(days.items())
        if quantity or picos
    ]
    # More than anybody reads is an export, which has every row.
    if not rows or len(rows) > ANNEX_ROWS_MAX:
        return ()
    total = _padded(sum(picos for _, picos in days.values()), places)
    return (Annex("Use by day", "Day", tuple(rows), total),)


def _places(picos: int) -> int:
    return len(format_picos(picos).partition(".")[2])


def _padded(picos: int, places: int) -> str:
    """Return an exact amount with so many decimals that a column is aligned."""
    whole, _, fraction = format_picos(picos).partition(".")
    return f"{whole}.{fraction:0<{places}}"
