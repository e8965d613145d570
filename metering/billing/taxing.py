"""Tax that a provider computes: asked for at drafting, written when it was computed.

Where an account computes tax, an invoice is drafted without any, and says so in its
basis. Once the provider holds its lines, what it computed becomes our tax lines, to the
minor unit, and part of what the lines are made from again. Nothing is predicted.

Failure: an invoice that has its number keeps its tax, `Conflict`. Owns: the tax lines
of such invoices.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from kit.contracts import TokenClass
from kit.errors import Conflict
from kit.json_values import JsonObject
from kit.money import picos_from_minor
from kit.orm.atomic import atomic
from metering.billing.accounts import UnknownAccount, account_for
from metering.billing.lines import Line, LineKind, Lines
from metering.billing.models import Invoice, InvoiceLine
from metering.taxes.rating import Treatment
from metering.taxes.services import rates_for
from tenants.models import Tenant

AUTOMATIC = "automatic"
_COMPUTED, _BEFORE = "computed_taxes", "untaxed_sha256"
# What a provider calls its computation, where that is recorded apart from invoices.
TAX_SOURCE = "tax_source"
_TOLD = {
    "reverse_charge": "reverse charge",
    "customer_exempt": "customer exempt",
    "zero_rated": "zero rated",
    "product_exempt": "exempt",
}


@dataclass(frozen=True, slots=True)
class ComputedTax:
    """One tax as a provider computed it, in our minor unit."""

    rate: str
    name: str
    percent: str
    jurisdiction: str
    reason: str
    taxable_minor: int
    amount_minor: int
    by: str

    def line(self, currency: str) -> Line:
        """Return the tax as a line of an invoice."""
        why = _TOLD.get(self.reason, "")
        told = ", ".join(filter(None, (self.jurisdiction, why)))
        return Line(
            kind=LineKind.TAX,
            key=f"tax/{self.rate}/{self.reason}"[:200],
            description=(
                f"{self.name} {self.percent} %, {told}, computed by {self.by}"
            ),
            exact_picos=picos_from_minor(self.amount_minor, currency),
            amount_minor=self.amount_minor,
            document={
                "rate": self.rate,
                "percent": self.percent,
                "jurisdiction": self.jurisdiction,
                "reason": self.reason,
                "taxable_minor": str(self.taxable_minor),
                "by": self.by,
            },
        )


def treatment_of(*, tenant: Tenant, at: dt.datetime) -> Treatment:
    """Return how a bill is taxed: by the account it goes to, or by our own rates."""
    if settings.BILLING_PROVIDER != "stripe":
        return rates_for(tenant=tenant, at=at)
    try:
        is_automatic = account_for(tenant.currency).automatic_tax
    except UnknownAccount:
        is_automatic = False
    if is_automatic:
        return Treatment(AUTOMATIC, (), "")
    return rates_for(tenant=tenant, at=at)


def is_automatic(invoice: Invoice) -> bool:
    """Tell whether the invoice's provider computes its tax."""
    tax: dict[str, Any] = invoice.basis.get("tax") or {}
    return tax.get("kind") == AUTOMATIC


def has_its_tax(invoice: Invoice) -> bool:
    """Tell whether its tax is on it: by our rates, or as its provider computed it."""
    return not is_automatic(invoice) or _COMPUTED in invoice.basis


def untaxed_sha256(invoice: Invoice) -> str:
    """Return the hash of the lines without computed tax: what marks a draft."""
    return str(invoice.basis.get(_BEFORE) or invoice.lines_sha256)


def computed_lines(basis: JsonObject, currency: str) -> tuple[Line, ...]:
    """Return the tax lines that a provider computed, as they were frozen."""
    rows: Any = basis.get(_COMPUTED, ())
    return tuple(ComputedTax(**row).line(currency) for row in rows)


def computed_document(taxes: Sequence[ComputedTax]) -> JsonObject:
    """Return computed taxes as a basis freezes them."""
    return {_COMPUTED: [asdict(tax) for tax in taxes]}


def write_computed(invoice: Invoice, taxes: Sequence[ComputedTax]) -> None:
    """Make these the invoice's tax lines; the same again changes nothing.

    Raises `Conflict` for an invoice that has its number and other taxes.
    """
    document = [asdict(tax) for tax in taxes]
    with atomic():
        row = Invoice.objects.select_for_update(of=("self",)).get(pk=invoice.pk)
        if row.basis.get(_COMPUTED) == document:
            return
        if row.number is not None:
            raise Conflict("The tax of an issued invoice does not change.")
        before = untaxed_sha256(row)
        row.lines.filter(kind=LineKind.TAX).delete()
        charged = [_line_of(line) for line in row.lines.order_by("position")]
        made = [tax.line(row.currency) for tax in taxes]
        lines = Lines(row.currency, (*charged, *made))
        row.basis = {**row.basis, _COMPUTED: document, _BEFORE: before}
        row.exact_picos, row.amount_minor = lines.exact_picos, lines.amount_minor
        row.tax_minor, row.lines_sha256 = lines.tax_minor, lines.sha256
        row.save(
            update_fields=[
                "basis",
                "exact_picos",
                "amount_minor",
                "tax_minor",
                "lines_sha256",
            ]
        )
        InvoiceLine.objects.bulk_create(
            InvoiceLine(
                tenant_id=row.tenant_id,
                invoice=row,
                position=position,
                kind=line.kind,
                key=line.key,
                description=line.description,
                quantity=line.quantity,
                exact_picos=line.exact_picos,
                amount_minor=line.amount_minor,
                document=line.document,
            )
            for position, line in enumerate(made, _last_position(row) + 1)
        )


def _last_position(invoice: Invoice) -> int:
    last = invoice.lines.order_by("-position").values_list("position", flat=True)
    return last.first() or 0


def _line_of(row: InvoiceLine) -> Line:
    return Line(
        kind=LineKind(row.kind),
        key=row.key,
        description=row.description,
        exact_picos=row.exact_picos,
        amount_minor=row.amount_minor,
        quantity=row.quantity,
        model=row.model,
        price_id=row.price_id,
        token_class=None if row.token_class is None else TokenClass(row.token_class),
        unit_picos=row.unit_picos,
        document=row.document,
    )
