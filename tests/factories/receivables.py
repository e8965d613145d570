"""Issued invoices with lines of every kind, for tests of what comes in for them."""

import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from kit.ids import uuid7
from kit.money import picos_from_minor
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from metering.billing.models import Invoice, InvoiceLine, Period, Seller
from metering.billing.services import issue_invoice
from metering.ledger.models import Account, Entry
from tenants.models import Tenant
from tests.factories.tenants import make_tenant

FIRST = dt.date(2026, 9, 1)
ISSUED = dt.datetime(2026, 10, 2, tzinfo=dt.UTC)
Kind = InvoiceLine.Kind
# Used for 100.00 and 50.00, 30.00 less by a discount, taxed with 19 %.
TAXED = (
    (Kind.COMPONENT, 10_000),
    (Kind.FEE, 5_000),
    (Kind.DISCOUNT, -3_000),
    (Kind.TAX, 2_280),
)
_numbers = itertools.count(1)


def make_invoice(
    lines: Sequence[tuple[Kind, int]] = TAXED,
    *,
    tenant: Tenant | None = None,
    **changes: Any,
) -> Invoice:
    """Issue an invoice with these lines: their kinds and minor units, in order."""
    with as_operator(), atomic():
        owner = tenant or make_tenant(currency="EUR")
        draft = _draft(owner, lines, changes)
        invoice = issue_invoice(invoice=draft, now=ISSUED)
        if invoice.amount_minor == 0:
            # What credit paid whole is paid at once.
            Invoice.objects.filter(pk=invoice.pk).update(state=Invoice.State.PAID)
        invoice.refresh_from_db()
        return invoice


def receivable_minor(tenant: Tenant) -> int:
    """Return what a tenant owes by the ledger, in minor units of a hundredth."""
    return standing_on(tenant, Account.Kind.RECEIVABLE)


def standing_on(tenant: Tenant, kind: Account.Kind) -> int:
    """Return what stands on an account, debits positive, in hundredths."""
    with as_operator():
        entries = Entry.objects.filter(tenant_id=tenant.pk, account__kind=kind)
        picos = sum(int(entry.amount_picos) for entry in entries)
    assert picos % 10**10 == 0
    return picos // 10**10


def _draft(
    tenant: Tenant, lines: Sequence[tuple[Kind, int]], changes: dict[str, Any]
) -> Invoice:
    seller, _ = Seller.objects.get_or_create(name="Tollgate")
    amount = sum(minor for _, minor in lines)
    tax = sum(minor for kind, minor in lines if kind == Kind.TAX)
    credit = sum(minor for kind, minor in lines if kind == Kind.CREDIT)
    first = FIRST + dt.timedelta(days=next(_numbers))
    at = dt.datetime.combine(first, dt.time(), tzinfo=dt.UTC)
    invoice = Invoice.objects.create(
        public_id=_id(),
        tenant=tenant,
        period=Period.objects.create(
            tenant=tenant,
            first_date=first,
            end_date=first + dt.timedelta(days=1),
            starts_at=at,
            ends_at=at + dt.timedelta(days=1),
            state=Period.State.CLOSED,
            closed_at=ISSUED,
        ),
        seller=seller,
        provider="offline",
        currency=tenant.currency,
        exact_picos=picos_from_minor(amount, tenant.currency),
        amount_minor=amount,
        subtotal_minor=amount - tax - credit,
        tax_minor=tax,
        lines_sha256="0" * 64,
    )
    for name, value in changes.items():
        setattr(invoice, name, value)
    invoice.save()
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            tenant_id=tenant.pk,
            invoice=invoice,
            position=position,
            kind=kind,
            key=f"{kind} {position}",
            description=f"{kind} {position}",
            quantity=1,
            exact_picos=picos_from_minor(minor, tenant.currency),
            amount_minor=minor,
        )
        for position, (kind, minor) in enumerate(lines, 1)
    )
    return invoice


def _id() -> UUID:
    return uuid7(int(ISSUED.timestamp() * 1000))
