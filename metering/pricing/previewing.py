"""Replay a month's use under a version before it is published, tenant by tenant.

Counted from the day rollups, by the arithmetic that rates requests: what is previewed
is what the same use would be charged. Failure: none; a model that was used and has no
price in the version is named, and nothing is made up for it. Writes nothing.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Exists, OuterRef, Q, QuerySet, prefetch_related_objects

from kit.contracts import LinearPrice, TokenClass, TokenCounts
from kit.orm.atomic import cursor
from metering.pricing.deriving import prices_under
from metering.pricing.discounting import listed_in
from metering.pricing.models import PriceBookAssignment, PriceBookVersion
from metering.pricing.rating import charge_picos
from metering.pricing.resolving import Listed
from metering.pricing.selectors import contracts_at
from metering.usage.models import DayRollup
from tenants.models import Tenant

_TENANTS_AT_ONCE = 500
_USED = """
    SELECT rollup.tenant_id, price.model, rollup.token_class,
        sum(rollup.quantity), sum(rollup.charge_picos)
    FROM usage_dayrollup rollup JOIN pricing_price price ON price.id = rollup.price_id
    WHERE rollup.tenant_id = ANY(%(tenants)s::bigint[])
        AND rollup.date >= %(first)s AND rollup.date < %(end)s
    GROUP BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Month:
    """The half-open dates of a calendar month: each tenant's own billing days."""

    first_date: dt.date
    end_date: dt.date

    @property
    def name(self) -> str:
        """Return it as `2026-10`."""
        return f"{self.first_date:%Y-%m}"


@dataclass(frozen=True, slots=True)
class ModelEffect:
    """What a tenant was charged for a model, and what it would be, in picos.

    `preview_picos` is None where the version has no price for it.
    """

    model: str
    requests: int
    counts: TokenCounts
    charged_picos: int
    preview_picos: int | None


@dataclass(frozen=True, slots=True)
class TenantEffect:
    """What a version would come to for one tenant, by the use of a month.

    Both sums are of the models that the version prices: `unpriced` are named apart.
    """

    tenant: Tenant
    models: Sequence[ModelEffect]

    @property
    def charged_picos(self) -> int:
        """Return what was charged for the models that the version prices."""
        return sum(
            each.charged_picos for each in self.models if each.preview_picos is not None
        )

    @property
    def preview_picos(self) -> int:
        """Return what the same use would be charged."""
        return sum(each.preview_picos or 0 for each in self.models)

    @property
    def difference_picos(self) -> int:
        """Return what would be charged more; less where negative."""
        return self.preview_picos - self.charged_picos

    @property
    def unpriced(self) -> list[str]:
        """Return the models that were used and would have no price."""
        return [each.model for each in self.models if each.preview_picos is None]


@dataclass(slots=True)
class Total:
    """What a version would come to for all tenants that would pay by it."""

    tenants: int = 0
    charged_picos: int = 0
    preview_picos: int = 0
    # How many tenants used each model that would have no price.
    unpriced: dict[str, int] = field(default_factory=dict)

    @property
    def difference_picos(self) -> int:
        """Return what would be charged more; less where negative."""
        return self.preview_picos - self.charged_picos


@dataclass(slots=True)
class _Used:
    """What a tenant used of a model."""

    quantities: dict[TokenClass, int] = field(default_factory=dict)
    charged_picos: int = 0

    def counts(self) -> TokenCounts:
        """Return the tokens by class."""
        return TokenCounts(
            input_tokens=self.quantities.get(TokenClass.INPUT, 0),
            cached_input_tokens=self.quantities.get(TokenClass.CACHED_INPUT, 0),
            output_tokens=self.quantities.get(TokenClass.OUTPUT, 0),
            reasoning_tokens=self.quantities.get(TokenClass.REASONING, 0),
        )


def month_of(date: dt.date) -> Month:
    """Return the calendar month that a date lies in."""
    first = date.replace(day=1)
    return Month(first, (first + dt.timedelta(days=31)).replace(day=1))


def last_month(*, now: dt.datetime) -> Month:
    """Return the calendar month before this one, by UTC."""
    today = now.astimezone(dt.UTC).date()
    return month_of(today.replace(day=1) - dt.timedelta(days=1))


def payers(*, version: PriceBookVersion, month: Month) -> QuerySet[Tenant]:
    """Return who used something in the month and would pay by the version.

    That are those whose contract at its beginning is based on its book, who are
    assigned it then, or whose currency's default it is.
    """
    at, mine = version.effective_at, OuterRef("pk")
    agreed = contracts_at(at).filter(tenant=mine)
    assigned = PriceBookAssignment.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=at), tenant=mine, starts_at__lte=at
    )
    by_book = Q(Exists(assigned.filter(book=version.book_id)))
    if version.book.is_default:
        by_book |= ~Exists(assigned) & Q(currency=version.book.currency)
    used = DayRollup.objects.filter(
        tenant_id=mine, date__gte=month.first_date, date__lt=month.end_date
    )
    return Tenant.objects.filter(
        Exists(agreed.filter(base=version.book_id)) | (~Exists(agreed) & by_book),
        Exists(used),
    )


def effects(
    *, version: PriceBookVersion, month: Month, tenants: Sequence[Tenant]
) -> list[TenantEffect]:
    """Return what the version would come to for each of some who would pay by it."""
    # Once for all contracts.
    prefetch_related_objects([version], "prices")
    used = _used(tenants, month)
    usual = _linear(version, listed_in(version.prices.all()))
    agreed = contracts_at(version.effective_at).filter(
        tenant__in=tenants, base=version.book_id
    )
    own = {
        contract.tenant_id: _linear(version, prices_under(contract, version))
        for contract in agreed.prefetch_related("prices")
    }
    return [
        TenantEffect(
            tenant,
            [
                _effect(model, was, own.get(tenant.pk, usual).get(model))
                for model, was in sorted(used[tenant.pk].items())
            ],
        )
        for tenant in tenants
    ]


def total(*, version: PriceBookVersion, month: Month) -> Total:
    """Return what the version would come to for all who would pay by it."""
    came_to = Total()
    for tenants in _in_pieces(payers(version=version, month=month)):
        for each in effects(version=version, month=month, tenants=tenants):
            came_to.tenants += 1
            came_to.charged_picos += each.charged_picos
            came_to.preview_picos += each.preview_picos
            for model in each.unpriced:
                came_to.unpriced[model] = came_to.unpriced.get(model, 0) + 1
    return came_to


def _effect(model: str, used: _Used, price: LinearPrice | None) -> ModelEffect:
    counts = used.counts()
    return ModelEffect(
        model=model,
        requests=used.quantities.get(TokenClass.REQUESTS, 0),
        counts=counts,
        charged_picos=used.charged_picos,
        preview_picos=None if price is None else charge_picos(price, counts),
    )


def _used(tenants: Sequence[Tenant], month: Month) -> Mapping[int, Mapping[str, _Used]]:
    """Return what each tenant used in the month, by model."""
    found: dict[int, dict[str, _Used]] = defaultdict(lambda: defaultdict(_Used))
    with cursor() as session:
        session.execute(
            _USED,
            {
                "tenants": [tenant.pk for tenant in tenants],
                "first": month.first_date,
                "end": month.end_date,
            },
        )
        for tenant_id, model, token_class, quantity, charge in session.fetchall():
            used = found[tenant_id][model]
            used.quantities[TokenClass(token_class)] = int(quantity)
            used.charged_picos += int(charge)
    return found


def _linear(
    version: PriceBookVersion, listed: Sequence[Listed]
) -> Mapping[str, LinearPrice]:
    """Return prices as rating takes them, of no row yet."""
    return {
        each.model: LinearPrice(
            id=0,
            model=each.model,
            currency=version.book.currency,
            input_picos=each.input_picos,
            cached_input_picos=each.cached_input_picos,
            output_picos=each.output_picos,
        )
        for each in listed
    }


def _in_pieces(tenants: QuerySet[Tenant]) -> Iterator[list[Tenant]]:
    """Yield tenants some hundreds at a time, by id."""
    last = 0
    while rows := list(tenants.filter(pk__gt=last).order_by("pk")[:_TENANTS_AT_ONCE]):
        yield rows
        last = rows[-1].pk
