"""The prices in force, in memory: what admission stamps on a request.

Loaded from the published versions, which never change: so of one that is known nothing
is read again, and what is new comes in slices, between which requests go on. A version
that takes effect later is loaded ahead and applies from its instant by the database's
clock, and so does the book of a contract, or another one that a tenant is assigned.

Failure: a reload that breaks off leaves what was known in force.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

from psycopg import AsyncConnection

from kit.contracts import LinearPrice

CHANNEL = "tollgate_prices"
# Announcements bring news at once; this is for one that got lost.
POLL_S = 30.0
# Rows that are taken in at once: a millisecond or two of the process's time.
SLICE_ROWS = 1000

_ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
# What another version, or a contract's end, put out of force more than a day ago prices
# no admission any more. Contracts multiply versions; without this they would only grow.
_MATTERS = """NOT EXISTS (
    SELECT FROM pricing_pricebookversion later
    WHERE later.book_id = version.book_id AND later.published_at IS NOT NULL
        AND later.effective_at > version.effective_at
        AND later.effective_at < now() - interval '1 day'
) AND NOT EXISTS (
    SELECT FROM pricing_pricebook own
    JOIN pricing_contract contract ON contract.id = own.derived_for_id
    WHERE own.id = version.book_id
        AND coalesce(contract.ended_at, contract.ends_at) < now() - interval '1 day'
)"""
_VERSIONS = f"""
SELECT version.id, (extract(epoch FROM version.published_at) * 1000000)::bigint,
       book.id, book.currency, book.is_default,
       (extract(epoch FROM version.effective_at) * 1000000)::bigint
FROM pricing_pricebookversion version
JOIN pricing_pricebook book ON book.id = version.book_id
WHERE version.published_at IS NOT NULL AND {_MATTERS}
ORDER BY book.id, version.effective_at
"""  # noqa: S608 - put together from the constant above
_PRICES = """
SELECT price.version_id, book.currency, price.id, price.model,
       price.input_picos, price.cached_input_picos, price.output_picos
FROM pricing_price price
JOIN pricing_pricebookversion version ON version.id = price.version_id
JOIN pricing_pricebook book ON book.id = version.book_id
WHERE price.version_id = ANY (%s)
"""
_ASSIGNMENTS = """
SELECT tenant_id, book_id, (extract(epoch FROM starts_at) * 1000000)::bigint,
       (extract(epoch FROM ends_at) * 1000000)::bigint
FROM pricing_pricebookassignment
ORDER BY tenant_id, starts_at
"""
# One that was ended before it began holds at no time.
_CONTRACTS = """
SELECT contract.tenant_id, book.id,
       (extract(epoch FROM contract.starts_at) * 1000000)::bigint,
       (extract(epoch FROM coalesce(contract.ended_at, contract.ends_at))
           * 1000000)::bigint
FROM pricing_contract contract
JOIN pricing_pricebook book ON book.derived_for_id = contract.id
WHERE contract.signed_at IS NOT NULL
    AND contract.starts_at < coalesce(contract.ended_at, contract.ends_at, 'infinity')
ORDER BY contract.tenant_id, contract.starts_at
"""


# A version by its id and when it was published: after a failover an id may come again.
_Version = tuple[int, int]
_List = dict[str, LinearPrice]


@dataclass(slots=True)
class _Book:
    currency: str
    effective_us: list[int] = field(default_factory=list)
    prices: list[Mapping[str, LinearPrice]] = field(default_factory=list)


@dataclass(slots=True)
class _Plan:
    """The books of one tenant by when they begin; half-open, never overlapping."""

    starts_us: list[int] = field(default_factory=list[int])
    books: list[tuple[int, int | None]] = field(
        default_factory=list[tuple[int, int | None]]
    )

    def book_at(self, at_us: int) -> int | None:
        """Return the book assigned at an instant, or None."""
        position = bisect_right(self.starts_us, at_us) - 1
        if position < 0:
            return None
        book_id, ends_us = self.books[position]
        return book_id if ends_us is None or at_us < ends_us else None


@dataclass(frozen=True, slots=True)
class _State:
    books: Mapping[int, _Book] = field(default_factory=dict[int, _Book])
    default_by_currency: Mapping[str, int] = field(default_factory=dict[str, int])
    # In the order in which they are asked: a contract goes before an assignment.
    plans: Sequence[Mapping[int, _Plan]] = ()


class PriceList:
    """Published prices by tenant, model and instant."""

    def __init__(self) -> None:
        self._state = _State()
        self._lists: dict[_Version, _List] = {}
        self.is_loaded = False

    def find(
        self, *, tenant_id: int, currency: str, model: str, at_us: int
    ) -> LinearPrice | None:
        """Return the price in force, or None: then the model cannot be called."""
        state = self._state
        book_id: int | None = None
        for plans in state.plans:
            plan = plans.get(tenant_id)
            if plan is not None and (book_id := plan.book_at(at_us)) is not None:
                break
        if book_id is None:
            book_id = state.default_by_currency.get(currency)
        book = state.books.get(book_id) if book_id is not None else None
        if book is None or book.currency != currency:
            return None
        position = bisect_right(book.effective_us, at_us) - 1
        return book.prices[position].get(model) if position >= 0 else None

    async def reload(self, connection: AsyncConnection) -> None:
        """Read what is not known yet, as of one moment, and swap it in at once."""
        async with connection.transaction():
            await connection.execute(_ONE_MOMENT)
            books, defaults, lists = await self._read_books(connection)
            agreed = await _read_plans(connection, _CONTRACTS)
            assigned = await _read_plans(connection, _ASSIGNMENTS)
        self._lists = lists
        self._state = _State(books, defaults, (agreed, assigned))
        self.is_loaded = True

    async def _read_books(
        self, connection: AsyncConnection
    ) -> tuple[dict[int, _Book], dict[str, int], dict[_Version, _List]]:
        """Read the versions, and of those that are new the prices."""
        books: dict[int, _Book] = {}
        defaults: dict[str, int] = {}
        lists: dict[_Version, _List] = {}
        new: dict[int, _List] = {}
        async for rows in _slices(connection, _VERSIONS):
            for pk, published_us, book_id, currency, is_default, effective_us in rows:
                known = self._lists.get((pk, published_us))
                if known is None:
                    known = new[pk] = {}
                lists[pk, published_us] = known
                book = books.setdefault(book_id, _Book(currency))
                if is_default:
                    defaults[currency] = book_id
                book.effective_us.append(effective_us)
                book.prices.append(known)
        if new:
            async for rows in _slices(connection, _PRICES, list(new)):
                for version_id, currency, price_id, model, *picos in rows:
                    new[version_id][model] = LinearPrice(
                        price_id, model, currency, *picos
                    )
        return books, defaults, lists


async def _read_plans(
    connection: AsyncConnection, statement: LiteralString
) -> Mapping[int, _Plan]:
    plans: dict[int, _Plan] = {}
    async for rows in _slices(connection, statement):
        for tenant_id, book_id, starts_us, ends_us in rows:
            plan = plans.setdefault(tenant_id, _Plan())
            plan.starts_us.append(starts_us)
            plan.books.append((book_id, ends_us))
    return plans


async def _slices(
    connection: AsyncConnection, statement: LiteralString, *parameters: object
) -> AsyncIterator[list[tuple[Any, ...]]]:
    """Yield the rows of a statement some at a time: others run while they arrive."""
    async with connection.cursor(name="prices") as cursor:
        await cursor.execute(statement, parameters)
        while rows := await cursor.fetchmany(SLICE_ROWS):
            yield rows
