"""The prices in force, in memory: what admission stamps on a request.

Loaded whole from the published versions, which never change; a version that takes
effect later is loaded ahead and applies from its instant by the database's clock, and
so does the book of a contract, or another one that a tenant is assigned.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from psycopg import AsyncConnection

from kit.contracts import LinearPrice

CHANNEL = "tollgate_prices"
# Announcements bring news at once; this is for one that got lost.
POLL_S = 30.0

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
SELECT version.id, book.id, book.currency, book.is_default,
       (extract(epoch FROM version.effective_at) * 1000000)::bigint
FROM pricing_pricebookversion version
JOIN pricing_pricebook book ON book.id = version.book_id
WHERE version.published_at IS NOT NULL AND {_MATTERS}
ORDER BY book.id, version.effective_at
"""  # noqa: S608 - put together from the constant above
_PRICES = f"""
SELECT price.version_id, price.id, price.model,
       price.input_picos, price.cached_input_picos, price.output_picos
FROM pricing_price price
JOIN pricing_pricebookversion version ON version.id = price.version_id
WHERE version.published_at IS NOT NULL AND {_MATTERS}
"""  # noqa: S608 - put together from the constant above
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
        """Read all published prices, as of one moment, and swap them in at once."""
        async with connection.transaction(), connection.cursor() as cursor:
            await cursor.execute(_ONE_MOMENT)
            versions = await (await cursor.execute(_VERSIONS)).fetchall()
            prices = await (await cursor.execute(_PRICES)).fetchall()
            assignments = await (await cursor.execute(_ASSIGNMENTS)).fetchall()
            contracts = await (await cursor.execute(_CONTRACTS)).fetchall()
        plans = (_plans(contracts), _plans(assignments))
        self._state = _compile(versions, prices, plans)
        self.is_loaded = True


def _compile(
    versions: Sequence[tuple[int, int, str, bool, int]],
    prices: Sequence[tuple[int, int, str, int, int, int]],
    plans: Sequence[Mapping[int, _Plan]],
) -> _State:
    by_version: dict[int, list[tuple[int, str, int, int, int]]] = defaultdict(list)
    for version_id, *price in prices:
        by_version[version_id].append(tuple(price))  # type: ignore[arg-type]
    books: dict[int, _Book] = {}
    defaults: dict[str, int] = {}
    for version_id, book_id, currency, is_default, effective_us in versions:
        book = books.setdefault(book_id, _Book(currency))
        if is_default:
            defaults[currency] = book_id
        book.effective_us.append(effective_us)
        book.prices.append(
            {
                model: LinearPrice(price_id, model, currency, *picos)
                for price_id, model, *picos in by_version[version_id]
            }
        )
    return _State(books, defaults, plans)


def _plans(
    assignments: Sequence[tuple[int, int, int, int | None]],
) -> Mapping[int, _Plan]:
    plans: dict[int, _Plan] = defaultdict(_Plan)
    for tenant_id, book_id, starts_us, ends_us in assignments:
        plan = plans[tenant_id]
        plan.starts_us.append(starts_us)
        plan.books.append((book_id, ends_us))
    return dict(plans)
