"""Reads of the ledger: a balance is the sum of its account's entries."""

import datetime as dt

from django.db.models import QuerySet, Sum

from kit.money import Money
from metering.ledger.models import Account, DayPosting, Entry, Transaction


def balances(
    *, tenant_id: int, at: dt.datetime
) -> dict[tuple[Account.Kind, str], Money]:
    """Return what stood on each account of a tenant, by kind and currency.

    Counts what occurred up to `at`, whenever it was posted. Positive is a debit.
    """
    sums = (
        Entry.objects.filter(tenant_id=tenant_id, transaction__occurred_at__lte=at)
        .values_list("account__kind", "account__currency")
        .annotate(picos=Sum("amount_picos"))
    )
    return {
        (Account.Kind(kind), currency): Money(int(picos), currency)
        for kind, currency, picos in sums
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
