"""Price books and published prices for tests, made by services as the operator role."""

import datetime as dt
import itertools
from decimal import Decimal

from kit.contracts import LinearPrice
from kit.orm.roles import as_operator
from metering.pricing import contracts, services
from metering.pricing.assigning import assign_book
from metering.pricing.models import Contract, PriceBook, PriceBookAssignment
from metering.pricing.selectors import linear, prices
from tenants.models import Tenant

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)

_numbers = itertools.count(1)


def make_book(*, currency: str = "USD", is_default: bool = False) -> PriceBook:
    """Create an empty price book."""
    with as_operator():
        return services.create_price_book(
            name=f"book-{next(_numbers)}", currency=currency, is_default=is_default
        )


def make_assignment(*, tenant: Tenant, book: PriceBook) -> PriceBookAssignment:
    """Let a tenant have paid by a book for as long as there are prices."""
    with as_operator():
        return assign_book(tenant=tenant, book=book, now=LONG_AGO)


def make_contract(
    *,
    tenant: Tenant,
    base: PriceBook,
    percent: str = "50",
    starts_at: dt.datetime = LONG_AGO,
    ends_at: dt.datetime | None = None,
) -> Contract:
    """Sign a contract that takes a percentage off everything."""
    with as_operator():
        contract = contracts.create_contract(
            tenant=tenant,
            name=f"contract-{next(_numbers)}",
            base=base,
            starts_at=starts_at,
            ends_at=ends_at,
            discount_percent=Decimal(percent),
        )
        return contracts.sign_contract(contract=contract, now=starts_at)


def make_price(
    *,
    model: str = "demo-model",
    book: PriceBook | None = None,
    currency: str = "USD",
    per_million: tuple[str, str, str] = ("3", "0.3", "15"),
    effective_at: dt.datetime = LONG_AGO,
) -> LinearPrice:
    """Publish a version that lists this one price (input, cached input, output)."""
    uncached, cached, output = per_million
    with as_operator():
        book = book or make_book(currency=currency)
        version = services.draft_version(book=book, effective_at=effective_at)
        services.set_price(
            version=version,
            model=model,
            input_per_million=uncached,
            cached_input_per_million=cached,
            output_per_million=output,
        )
        services.publish_version(version=version, now=effective_at)
        return linear(prices(version=version).get())
