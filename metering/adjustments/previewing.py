"""What a re-rating would come to, tenant by tenant, before anybody decides on it.

Counted from what stands, by the arithmetic that rates requests: what is previewed is
what is posted, unless corrections come in between. Failure: a range that is not over,
or of which not all usage is committed yet, is refused. Writes nothing.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kit.contracts import LinearPrice, TokenCounts
from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import cursor
from metering.adjustments.models import Rerating
from metering.adjustments.rerating_sql import EFFECT, PRICES
from metering.pricing.corrective import Quote
from metering.pricing.models import PriceBook
from metering.pricing.rating import charge_picos
from metering.pricing.services import quoted_picos
from metering.usage.selectors import complete_to
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose use of which model is rated anew: one tenant's or all, half-open in time.

    Only use that was priced by `book` is: a corrected price is of one book.
    """

    book: PriceBook
    model: str
    start: dt.datetime
    end: dt.datetime
    tenant: Tenant | None = None


@dataclass(frozen=True, slots=True)
class TenantEffect:
    """What a re-rating would come to for one tenant.

    `invoiced_difference_picos` is the part of the difference that falls into closed
    periods: it comes as a named adjustment in the next one.
    """

    tenant_id: int
    tenant: str
    requests: int
    counts: TokenCounts
    charge_before_picos: int
    charge_after_picos: int
    invoiced_difference_picos: int

    @property
    def difference_picos(self) -> int:
        """Return what would be charged more; less where negative."""
        return self.charge_after_picos - self.charge_before_picos


@dataclass(frozen=True, slots=True)
class _Part:
    """What stands of a tenant, in closed periods or in open ones."""

    tenant_id: int
    tenant: str
    is_closed: bool
    requests: int
    counts: TokenCounts
    charge_picos: int


def preview_rerating(
    *, scope: Scope, quote: Quote, now: dt.datetime
) -> list[TenantEffect]:
    """Return what a re-rating would come to now, by tenant.

    Raises `InvalidRequest` for a range or a quote that makes no sense, and `Conflict`
    for a range of which usage may still come.
    """
    require_sound(scope, now=now)
    price = as_price(scope, quote)
    effects: dict[int, TenantEffect] = {}
    for part in _parts(scope):
        after = charge_picos(price, part.counts)
        before = effects.get(part.tenant_id)
        invoiced = after - part.charge_picos if part.is_closed else 0
        effects[part.tenant_id] = _merged(before, part, after, invoiced)
    return list(effects.values())


def count_requests(scope: Scope) -> int:
    """Return how many requests are in scope."""
    return sum(part.requests for part in _parts(scope))


def scope_of_rerating(row: Rerating) -> Scope:
    """Return the scope that was decided on."""
    return Scope(
        book=row.book,
        model=row.model,
        start=row.starts_at,
        end=row.ends_at,
        tenant=row.tenant,
    )


def require_sound(scope: Scope, *, now: dt.datetime) -> None:
    """Refuse a scope that is empty, or not over yet."""
    if scope.start.tzinfo is None or scope.end.tzinfo is None:
        raise InvalidRequest("Give instants with their offset.", param="start")
    if scope.end <= scope.start:
        raise InvalidRequest("The range ends before it begins.", param="end")
    if not prices_of(scope):
        raise InvalidRequest(
            f"{scope.book} has never had a price for '{scope.model}'.", param="model"
        )
    complete = complete_to(now=now)
    if scope.end > complete:
        raise Conflict(
            "Usage is complete only up to "
            f"{complete.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC: let the range end "
            "before.",
            param="end",
        )


def prices_of(scope: Scope) -> list[int]:
    """Return the prices by which requests in scope may have been rated."""
    with cursor() as session:
        session.execute(PRICES, {"book": scope.book.pk, "model": scope.model})
        return [price_id for (price_id,) in session.fetchall()]


def parameters(scope: Scope) -> dict[str, Any]:
    """Return what the statements about a scope are asked with."""
    return {
        "prices": prices_of(scope),
        "tenant": scope.tenant.pk if scope.tenant else None,
        "start": scope.start,
        "end": scope.end,
    }


def as_price(scope: Scope, quote: Quote) -> LinearPrice:
    """Return a quote as the price that it would be, of no row yet."""
    return LinearPrice(
        id=0,
        model=scope.model,
        currency=scope.book.currency,
        input_picos=quoted_picos("input_per_million", quote.input_per_million),
        cached_input_picos=quoted_picos(
            "cached_input_per_million", quote.cached_input_per_million
        ),
        output_picos=quoted_picos("output_per_million", quote.output_per_million),
    )


def _parts(scope: Scope) -> Iterator[_Part]:
    with cursor() as session:
        session.execute(EFFECT, parameters(scope))
        for tenant_id, slug, is_closed, requests, *sums in session.fetchall():
            *counts, charge = (int(each) for each in sums)
            yield _Part(
                tenant_id, slug, is_closed, requests, TokenCounts(*counts), charge
            )


def _merged(
    before: TenantEffect | None, part: _Part, after_picos: int, invoiced_picos: int
) -> TenantEffect:
    """Add a part to what is known of its tenant."""
    known = before or TenantEffect(
        part.tenant_id, part.tenant, 0, TokenCounts(), 0, 0, 0
    )
    counts = TokenCounts(
        input_tokens=known.counts.input_tokens + part.counts.input_tokens,
        cached_input_tokens=known.counts.cached_input_tokens
        + part.counts.cached_input_tokens,
        output_tokens=known.counts.output_tokens + part.counts.output_tokens,
        reasoning_tokens=known.counts.reasoning_tokens + part.counts.reasoning_tokens,
    )
    return TenantEffect(
        tenant_id=part.tenant_id,
        tenant=part.tenant,
        requests=known.requests + part.requests,
        counts=counts,
        charge_before_picos=known.charge_before_picos + part.charge_picos,
        charge_after_picos=known.charge_after_picos + after_picos,
        invoiced_difference_picos=known.invoiced_difference_picos + invoiced_picos,
    )
