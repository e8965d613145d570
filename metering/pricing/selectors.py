"""Reads of prices: which book a tenant pays by, and which price is in force when.

Failure: what is not there raises `NotFound` or `ModelNotPriced`; no price is ever made
up.
"""

import datetime as dt

from django.db.models import Q, QuerySet

from kit.contracts import LinearPrice
from kit.errors import ModelNotPriced, NotFound
from metering.pricing.models import (
    Contract,
    Price,
    PriceBook,
    PriceBookAssignment,
    PriceBookVersion,
)
from tenants.models import Tenant


def price_books() -> QuerySet[PriceBook]:
    """Return all price books by name."""
    return PriceBook.objects.order_by("name")


def versions(*, book: PriceBook) -> QuerySet[PriceBookVersion]:
    """Return the versions of a book, the newest first, each with its prices at hand."""
    return book.versions.order_by("-number").prefetch_related("prices")


def prices(*, version: PriceBookVersion) -> QuerySet[Price]:
    """Return the prices of a version by model."""
    return version.prices.order_by("model")


def last_published(*, book: PriceBook) -> PriceBookVersion | None:
    """Return the published version that begins last, be that in the future."""
    published = book.versions.filter(published_at__isnull=False)
    return published.order_by("-effective_at").first()


def assignments(
    *, tenant: Tenant | None = None, book_id: int | None = None
) -> QuerySet[PriceBookAssignment]:
    """Return who is assigned which book and when, the newest first."""
    rows = PriceBookAssignment.objects.select_related("tenant", "book")
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    if book_id is not None:
        rows = rows.filter(book_id=book_id)
    return rows.order_by("-id")


def assignment(pk: int) -> PriceBookAssignment:
    """Return one assignment; raises `NotFound`."""
    row = assignments().filter(pk=pk).first()
    if row is None:
        raise NotFound(f"There is no price book assignment {pk}.")
    return row


def book_of(*, tenant: Tenant, at: dt.datetime) -> PriceBook:
    """Return the book that a tenant pays by at an instant.

    That is its contract's, else the one assigned to it then, else its currency's
    default. Raises `NotFound` when there is none.
    """
    agreed = contracts_at(at).filter(tenant=tenant).select_related("book").first()
    if agreed is not None:
        return agreed.book
    assigned = (
        PriceBookAssignment.objects.filter(
            Q(ends_at=None) | Q(ends_at__gt=at), tenant=tenant, starts_at__lte=at
        )
        .select_related("book")
        .first()
    )
    if assigned is not None:
        return assigned.book
    try:
        return PriceBook.objects.get(currency=tenant.currency, is_default=True)
    except PriceBook.DoesNotExist:
        raise NotFound(
            f"Tenant '{tenant.slug}' has no price book, and {tenant.currency} has no "
            "default one. Assign a book or make one the default."
        ) from None


def contracts_at(at: dt.datetime) -> QuerySet[Contract]:
    """Return the signed contracts that hold at an instant, one for a tenant at most."""
    is_ahead = Q(ended_at__gt=at) | Q(ended_at=None) & (
        Q(ends_at=None) | Q(ends_at__gt=at)
    )
    return Contract.objects.filter(is_ahead, signed_at__isnull=False, starts_at__lte=at)


def contracts(
    *, tenant: Tenant | None = None, base_id: int | None = None
) -> QuerySet[Contract]:
    """Return contracts, the newest first, each with its prices at hand."""
    rows = Contract.objects.select_related("tenant", "base", "book")
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    if base_id is not None:
        rows = rows.filter(base_id=base_id)
    return rows.prefetch_related("prices").order_by("-id")


def contract(pk: int) -> Contract:
    """Return one contract; raises `NotFound`."""
    row = contracts().filter(pk=pk).first()
    if row is None:
        raise NotFound(f"There is no contract {pk}.")
    return row


def price_in_force(*, tenant: Tenant, model: str, at: dt.datetime) -> LinearPrice:
    """Return the price that the tenant pays for a served model at an instant.

    Raises `NotFound` without a book and `ModelNotPriced` without a price in force: the
    model cannot be called then.
    """
    version = (
        book_of(tenant=tenant, at=at)
        .versions.filter(published_at__isnull=False, effective_at__lte=at)
        .order_by("-effective_at")
        .first()
    )
    price = version.prices.filter(model=model).first() if version else None
    if price is None:
        raise ModelNotPriced(model)
    return linear(price)


def linear(price: Price) -> LinearPrice:
    """Return a row as the value that rating works with."""
    return LinearPrice(
        id=price.pk,
        model=price.model,
        currency=price.version.book.currency,
        input_picos=price.input_picos,
        cached_input_picos=price.cached_input_picos,
        output_picos=price.output_picos,
    )
