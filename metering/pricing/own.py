"""What one tenant pays, what it paid before, and what is planned from when on.

A tenant's own role may ask: the tables of prices are not its to read, since they tell
what others pay. The database answers it about itself alone; asked about another tenant
it finds nothing. Failure: a tenant without a book in force has no prices, and no model
can be called.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace

from kit.contracts import LinearPrice
from kit.orm.atomic import cursor

_PRICES = "SELECT * FROM pricing_own_prices(%s, %s)"
_NEXT_CHANGE = "SELECT pricing_own_next_change(%s, %s)"
_HISTORIES = "SELECT * FROM pricing_own_histories(%s, %s::text[], %s)"
# Instants at which a price may change: more than a book is given in many years.
INSTANTS_MAX = 500


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """A price in force: the version of its book that it is in, and since when."""

    price: LinearPrice
    version: int
    effective_at: dt.datetime


@dataclass(frozen=True, slots=True)
class PriceSpan:
    """A time for which a model's price stayed the same; None where it had none."""

    price: OwnPrice | None
    starts_at: dt.datetime
    ends_at: dt.datetime | None
    """Exclusive; None as long as no other price is planned."""


def own_prices(*, tenant_id: int, at: dt.datetime) -> dict[str, OwnPrice]:
    """Return what a tenant pays at an instant, by the served model's name.

    Models whose name ends in `@cache` are the prices of answers from the cache.
    """
    with cursor() as session:
        session.execute(_PRICES, [tenant_id, at])
        return {
            model: OwnPrice(
                LinearPrice(pk, model, currency, *picos), version, effective_at
            )
            for pk, model, currency, *picos, version, effective_at in session.fetchall()
        }


def next_change(*, tenant_id: int, at: dt.datetime) -> dt.datetime | None:
    """Return the first instant after this one at which prices may be others.

    None where nothing is planned. What holds from then on, `own_prices` says of it.
    """
    with cursor() as session:
        session.execute(_NEXT_CHANGE, [tenant_id, at])
        found = session.fetchone()
    return None if found is None else found[0]


def price_history(*, tenant_id: int, model: str) -> list[PriceSpan]:
    """Return what a tenant paid, pays and is going to pay for a model, oldest first.

    It begins with the tenant, or with the first price after that. A version or book
    that changes nothing of this price begins no span.
    """
    return price_histories(tenant_id=tenant_id, models=[model])[model]


def price_histories(
    *, tenant_id: int, models: Collection[str]
) -> dict[str, list[PriceSpan]]:
    """Return the histories of several models, in one statement."""
    with cursor() as session:
        session.execute(_HISTORIES, [tenant_id, list(models), INSTANTS_MAX])
        rows = session.fetchall()
    histories: dict[str, list[PriceSpan]] = {model: [] for model in models}
    for model, starts_at, pk, currency, *picos, version, effective_at in rows:
        price = (
            None
            if pk is None
            else OwnPrice(
                LinearPrice(pk, model, currency, *picos), version, effective_at
            )
        )
        found = histories[model]
        before = found[-1] if found else None
        if is_same(before.price if before else None, price):
            continue
        if before is not None:
            found[-1] = replace(before, ends_at=starts_at)
        found.append(PriceSpan(price, starts_at, None))
    return histories


def span_at(history: list[PriceSpan], at: dt.datetime) -> PriceSpan | None:
    """Return the span that an instant is in; None before the first."""
    return next((each for each in reversed(history) if each.starts_at <= at), None)


def is_same(one: OwnPrice | None, other: OwnPrice | None) -> bool:
    """Tell whether two prices come to the same for whatever is used."""
    if one is None or other is None:
        return one is other
    return _terms(one.price) == _terms(other.price)


def _terms(price: LinearPrice) -> tuple[object, ...]:
    return (
        price.currency,
        price.input_picos,
        price.cached_input_picos,
        price.output_picos,
    )
