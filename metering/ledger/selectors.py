"""Reads of the ledger: balances are sums of entries; credit comes with its use."""

import datetime as dt

from django.db.models import QuerySet, Sum
from django.db.models.expressions import RawSQL

from kit.errors import NotFound
from kit.money import Money
from kit.orm.fields import PicosField
from metering.ledger.models import (
    Account,
    CreditGrant,
    DayPosting,
    Entry,
    Transaction,
)
from tenants.models import Tenant

# What use has taken of a grant up to now, and not only when that was last settled.
_BURNED_NOW = """
coalesce((
    SELECT burning.burned FROM budgets_window place
    CROSS JOIN LATERAL credit_burning(place.tenant_id, place.posted) burning
    WHERE place.tenant_id = ledger_creditgrant.tenant_id AND place.kind = 'credit'
        AND burning.grant_id = ledger_creditgrant.id
), ledger_creditgrant.burned_picos)
"""


def balances(
    *, tenant_id: int, at: dt.datetime
) -> dict[tuple[Account.Kind, str], Money]:
    """Return what stood on each account of a tenant, by kind and currency.

    Counts what occurred up to `at`, whenever it was posted. Positive is a debit.
    """
    sums = (
        Entry.objects.filter(
            tenant_id=tenant_id,
            # Said of both: else all tenants' transactions are read for one's.
            transaction__tenant_id=tenant_id,
            transaction__occurred_at__lte=at,
        )
        .values_list("account_id")
        .annotate(picos=Sum("amount_picos"))
        .order_by()
    )
    accounts = Account.objects.in_bulk([account for account, _ in sums])
    return {
        (Account.Kind(row.kind), row.currency): Money(int(picos), row.currency)
        for row, picos in ((accounts[account], picos) for account, picos in sums)
    }


def transactions(*, tenant_id: int) -> QuerySet[Transaction]:
    """Return a tenant's postings, the latest first, each with its entries at hand."""
    return (
        Transaction.objects.filter(tenant_id=tenant_id)
        .order_by("-id")
        .prefetch_related("entries__account")
    )


def day_postings(*, tenant_id: int, before: dt.date) -> QuerySet[DayPosting]:
    """Return what was posted of a tenant's days that lie before a date."""
    return DayPosting.objects.filter(tenant_id=tenant_id, date__lt=before).order_by(
        "date", "price_id", "token_class", "revision"
    )


def credit_grants(
    *,
    tenant: Tenant | None = None,
    source: str | None = None,
    reference: str | None = None,
    active: bool | None = None,
) -> QuerySet[CreditGrant]:
    """List credit grants, each with what use has taken of it as `burned_now`."""
    rows = CreditGrant.objects.annotate(
        burned_now=RawSQL(_BURNED_NOW, (), output_field=PicosField())  # noqa: S611
    )
    if tenant is not None:
        rows = rows.filter(tenant_id=tenant.pk)
    if source is not None:
        rows = rows.filter(source=source)
    if reference is not None:
        rows = rows.filter(reference=reference)
    if active is not None:
        rows = rows.filter(expired_at__isnull=active)
    return rows


def credit_grant(grant_id: int) -> CreditGrant:
    """Return one credit grant; raises `NotFound`."""
    row = credit_grants().filter(pk=grant_id).first()
    if row is None:
        raise NotFound(f"There is no credit grant {grant_id}.")
    return row
