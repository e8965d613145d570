"""Make the prices of contracts: a version of a contract's book for each of its base's.

They begin with the base's version, and hold for the contract's tenant and time alone.
Made in the transaction that signs the contract or publishes the base's version, so
there is no instant without them. Failure: none of its own.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice

from django.db.models import Max, Q, prefetch_related_objects

from metering.pricing.discounting import discounts_of, listed_in
from metering.pricing.models import (
    DISCOUNTS,
    Contract,
    Price,
    PriceBook,
    PriceBookVersion,
)
from metering.pricing.resolving import Listed, Terms, under_contract

_CONTRACTS_AT_ONCE = 50


def derive_for_contracts(version: PriceBookVersion, *, now: dt.datetime) -> list[int]:
    """Give every contract on the book of a new version its prices; return their ids."""
    ends = version.effective_at
    holding = (
        Contract.objects.filter(base=version.book_id, signed_at__isnull=False)
        .filter(
            Q(ended_at__gt=ends)
            | Q(ended_at=None) & (Q(ends_at=None) | Q(ends_at__gt=ends))
        )
        .select_related("book")
        .prefetch_related("prices")
        .order_by("pk")
    )
    contracts = list(holding)
    prefetch_related_objects([version], "prices")
    derive(contracts, version, now=now)
    return [contract.pk for contract in contracts]


def derive(
    contracts: Sequence[Contract], version: PriceBookVersion, *, now: dt.datetime
) -> None:
    """Write and publish what a version of the base book is under each contract."""
    books: list[PriceBook] = [contract.book for contract in contracts]
    known = PriceBookVersion.objects.filter(book__in=books).values_list("book")
    newest = dict(known.annotate(number=Max("number")).order_by())
    derived = PriceBookVersion.objects.bulk_create(
        PriceBookVersion(
            book=book,
            number=newest.get(book.pk, 0) + 1,
            effective_at=version.effective_at,
            derived_from=version,
            **{name: getattr(version, name) for name in DISCOUNTS},
        )
        for book in books
    )
    for piece in _pieces(zip(derived, contracts, strict=True)):
        Price.objects.bulk_create(
            Price(version=row, **asdict(each))
            for row, contract in piece
            for each in prices_under(contract, version)
        )
    ids = [row.pk for row in derived]
    PriceBookVersion.objects.filter(pk__in=ids).update(published_at=now)


def _pieces(
    pairs: Iterable[tuple[PriceBookVersion, Contract]],
) -> Iterator[list[tuple[PriceBookVersion, Contract]]]:
    """Yield some at a time: their prices are in memory together."""
    rest = iter(pairs)
    while piece := list(islice(rest, _CONTRACTS_AT_ONCE)):
        yield piece


def prices_under(contract: Contract, version: PriceBookVersion) -> list[Listed]:
    """Return what a tenant with this contract pays while a version is in force."""
    return under_contract(
        listed_in(version.prices.all()), discounts_of(version), _terms(contract)
    )


def _terms(contract: Contract) -> Terms:
    quoted, percents = {}, {}
    for price in contract.prices.all():
        if price.discount_percent is not None:
            percents[price.model] = price.discount_percent
        elif (
            price.input_picos is not None
            and price.cached_input_picos is not None
            and price.output_picos is not None
        ):
            quoted[price.model] = Listed(
                price.model,
                price.input_picos,
                price.cached_input_picos,
                price.output_picos,
            )
    return Terms(contract.discount_percent, quoted, percents)
