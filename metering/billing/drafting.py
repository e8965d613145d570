"""Write what was composed as a draft invoice, its lines and the mark that it claims.

Failure: part of the caller's transaction; a draft that is there already, or a mark that
does not follow the last one, is an `IntegrityError`.
"""

import datetime as dt
import uuid

from django.conf import settings

from kit.json_values import JsonObject
from kit.orm.audited import tell, values
from metering.billing.accounts import account_name_for
from metering.billing.lines import Lines
from metering.billing.marks import Mark
from metering.billing.models import Invoice, InvoiceLine, Period, Seller
from metering.ledger.services import DAY_GRACE

_SECOND = dt.timedelta(seconds=1)


def seller_of_invoices() -> Seller:
    """Return who issues invoices, made with the first one."""
    seller, is_new = Seller.objects.get_or_create(name=settings.SELLER_NAME)
    if is_new:
        tell(seller, action="create", after=values(seller))
    return seller


def write_period_draft(
    *, period: Period, public_id: uuid.UUID, mark: Mark, lines: Lines, basis: JsonObject
) -> Invoice:
    """Write a period's draft."""
    invoice = _invoice(period.tenant_id, public_id, lines, basis)
    invoice.period = period
    invoice.days_from, invoice.posted_from = mark.days_from, mark.posted_from
    invoice.days_to, invoice.posted_to = mark.days_to, mark.posted_to
    invoice.grace_s = DAY_GRACE // _SECOND
    return _write(invoice, lines)


def write_top_up_draft(
    *,
    tenant_id: int,
    public_id: uuid.UUID,
    lines: Lines,
    basis: JsonObject,
    provider: str = "",
) -> Invoice:
    """Write the draft of what tops up a wallet; it may name who issues it."""
    invoice = _invoice(tenant_id, public_id, lines, basis)
    invoice.kind = Invoice.Kind.TOP_UP
    invoice.provider = provider or invoice.provider
    return _write(invoice, lines)


def _invoice(
    tenant_id: int, public_id: uuid.UUID, lines: Lines, basis: JsonObject
) -> Invoice:
    return Invoice(
        public_id=public_id,
        tenant_id=tenant_id,
        seller=seller_of_invoices(),
        provider=settings.BILLING_PROVIDER,
        provider_account=account_name_for(lines.currency),
        currency=lines.currency,
        exact_picos=lines.exact_picos,
        amount_minor=lines.amount_minor,
        subtotal_minor=lines.subtotal_minor,
        tax_minor=lines.tax_minor,
        lines_sha256=lines.sha256,
        basis=basis,
    )


def _write(invoice: Invoice, lines: Lines) -> Invoice:
    invoice.save(force_insert=True)
    # What is made by the database is read again.
    invoice.refresh_from_db()
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            tenant_id=invoice.tenant_id,
            invoice=invoice,
            position=position,
            kind=line.kind,
            key=line.key,
            description=line.description,
            model=line.model,
            price_id=line.price_id,
            token_class=line.token_class,
            quantity=line.quantity,
            unit_picos=line.unit_picos,
            exact_picos=line.exact_picos,
            amount_minor=line.amount_minor,
            document=line.document,
        )
        for position, line in enumerate(lines.lines, 1)
    )
    return invoice
