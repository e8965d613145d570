"""Reads of prices: which book a tenant pays by, and which price is in force when.

Failure: what is not there raises `NotFound` or `ModelNotPriced`; no price is ever made
up.
"""

import datetime as dt

from django.db.models import QuerySet

from kit.contracts import LinearPrice
from kit.errors import ModelNotPriced, NotFound
from metering.pricing.models import Price, PriceBook, PriceBookVersion
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


def book_of(*, tenant: Tenant) -> PriceBook:
    """Return the book that a tenant pays by: its own, else its currency's default.

    Raises `NotFound` when there is neither.
    """
    assigned = PriceBook.objects.filter(assignments__tenant=tenant).first()
    if assigned is not None:
        return assigned
    try:
        return PriceBook.objects.get(currency=tenant.currency, is_default=True)
    except PriceBook.DoesNotExist:
        raise NotFound(
            f"Tenant '{tenant.slug}' has no price book, and {tenant.currency} has no "
            "default one. Assign a book or make one the default."
        ) from None


def price_in_force(*, tenant: Tenant, model: str, at: dt.datetime) -> LinearPrice:
    """Return the price that the tenant pays for a served model at an instant.

    Raises `NotFound` without a book and `ModelNotPriced` without a price in force: the
    model cannot be called then.
    """
    version = (
        book_of(tenant=tenant)
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
