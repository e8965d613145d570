"""What one tenant pays: every model's price in force, and when that may change.

A tenant's own role may ask: the tables of prices are not its to read, since they tell
what others pay. The database answers it about itself alone; asked about another tenant
it finds nothing. Failure: a tenant without a book in force has no prices, and no model
can be called.
"""

import datetime as dt
from dataclasses import dataclass

from kit.contracts import LinearPrice
from kit.orm.atomic import cursor

_PRICES = "SELECT * FROM pricing_own_prices(%s, %s)"
_NEXT_CHANGE = "SELECT pricing_own_next_change(%s, %s)"


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """A price in force: the version of its book that it is in, and since when."""

    price: LinearPrice
    version: int
    effective_at: dt.datetime


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
