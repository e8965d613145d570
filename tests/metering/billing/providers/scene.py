"""Draft invoices for providers, without the usage they would come from."""

import datetime as dt
import itertools
import uuid
from collections.abc import Sequence

from kit.contracts import TokenClass
from kit.money import picos_from_minor
from metering.billing.models import Invoice, InvoiceLine, Period, Seller
from tenants.models import Tenant
from tests.factories.tenants import make_tenant

NOW = dt.datetime(2026, 12, 1, 6, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
_months = itertools.count()


def make_draft(
    *amounts_minor: int,
    provider: str,
    tenant: Tenant | None = None,
    currency: str = "USD",
) -> Invoice:
    """Close a period of its own into a draft with a line per amount."""
    tenant = tenant or make_tenant(currency=currency)
    invoice = Invoice.objects.create(
        public_id=uuid.uuid4(),
        tenant=tenant,
        period=_make_period(tenant),
        seller=Seller.objects.get_or_create(name="Tollgate")[0],
        provider=provider,
        currency=currency,
        exact_picos=picos_from_minor(sum(amounts_minor), currency),
        amount_minor=sum(amounts_minor),
        lines_sha256=uuid.uuid4().hex * 2,
        created_at=NOW,
    )
    InvoiceLine.objects.bulk_create(lines_of(invoice, amounts_minor))
    return invoice


def lines_of(invoice: Invoice, amounts_minor: Sequence[int]) -> list[InvoiceLine]:
    """Return unsaved lines, one per amount."""
    return [
        InvoiceLine(
            tenant_id=invoice.tenant_id,
            invoice=invoice,
            position=position,
            kind=InvoiceLine.Kind.USAGE,
            description=f"model-{position}, input tokens",
            model=f"model-{position}",
            price_id=position,
            token_class=TokenClass.INPUT.value,
            quantity=1_000_000,
            unit_picos=3_000_000,
            exact_picos=picos_from_minor(amount, invoice.currency),
            amount_minor=amount,
        )
        for position, amount in enumerate(amounts_minor, start=1)
    ]


def _make_period(tenant: Tenant) -> Period:
    year, month = divmod(next(_months), 12)
    first = dt.date(2000 + year, month + 1, 1)
    end = (first + dt.timedelta(days=31)).replace(day=1)
    return Period.objects.create(
        tenant=tenant,
        first_date=first,
        end_date=end,
        starts_at=dt.datetime(first.year, first.month, 1, tzinfo=dt.UTC),
        ends_at=dt.datetime(end.year, end.month, 1, tzinfo=dt.UTC),
        state=Period.State.CLOSED,
    )
