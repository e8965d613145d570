"""Who is there: tenants, their keys, books, prices and credit, all made by services.

A few tenants have most of the use (Zipf). Half keep zones of whole hours, half not;
some have months that begin on other days, some pay ahead, and a few have a book or a
contract of their own from a day on. Failure: none of its own. Owns: nothing.
"""

import datetime as dt
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.orm.roles import as_operator
from metering.pricing import services as pricing
from metering.pricing.assigning import assign_book
from metering.pricing.models import PriceBook
from metering.usage.services import cover, make_partitions
from tenants.models import Tenant
from tests.factories.pricing import make_contract
from tests.factories.tenants import make_key, make_tenant
from tests.scale.sizes import BEGINS, MONTHS, ORDERED, Scale

MODELS = ("atlas-large", "atlas-small", "breeze", "coder", "draft", "embedder")
ZONES = (
    *("UTC", "Asia/Kathmandu", "Europe/Berlin", "America/St_Johns"),
    *("Asia/Tokyo", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"),
)
CURRENCIES = ("USD", "USD", "USD", "EUR", "JPY", "BHD")
# What a million tokens of the dearest model cost at first.
QUOTES = {"USD": 3, "EUR": 2.7, "JPY": 450, "BHD": 1.1}
# Five changes of four books.
CHANGES = tuple(
    BEGINS.replace(hour=0) + dt.timedelta(days=days, hours=hour)
    for days, hour in ((9, 4), (24, 18), (41, 0), (60, 11), (78, 23))
)
OWN_BOOK_FROM = BEGINS.replace(day=20, hour=6)
CONTRACTS_FROM = BEGINS.replace(day=11, hour=17)
KEY_MODELS = 6
PREPAID_EVERY, ANNIVERSARY_EVERY, OWN_BOOK_EVERY, CONTRACT_EVERY = 10, 5, 40, 25
# Each has a book of its own, whose prices are looked up apart.
CONTRACTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Place:
    """One key's use of one model, and its share of all use."""

    tenant_id: int
    project_id: int
    api_key_id: int
    group: int
    model: str
    weight: float


@dataclass(frozen=True, slots=True)
class World:
    """Places of use; a tenant of each group that pays by the same prices."""

    tenants: Sequence[Tenant]
    places: Sequence[Place]
    payers: Sequence[Tenant]
    prepaid: frozenset[Tenant]
    changes: Sequence[dt.datetime]


def make_world(scale: Scale) -> World:
    """Make all that must be there before the first event."""
    with as_operator():
        for begins, _ in MONTHS:
            make_partitions(now=begins)
        books = {currency: _book(currency) for currency in QUOTES}
        own = _book("USD", name="own")
        tenants = [_tenant(rank) for rank in range(1, scale.tenants + 1)]
        groups: dict[tuple[str, bool, int | None], int] = {}
        payers: list[Tenant] = []
        places: list[Place] = []
        for rank, tenant in enumerate(tenants, 1):
            has_own = rank % OWN_BOOK_EVERY == 1 and tenant.currency == own.currency
            if has_own:
                assign_book(
                    tenant=tenant, book=own, now=ORDERED, starts_at=OWN_BOOK_FROM
                )
            contract = rank // CONTRACT_EVERY if rank % CONTRACT_EVERY == 2 else None
            if contract is not None and contract >= CONTRACTS_MAX:
                contract = None
            if contract is not None:
                make_contract(
                    tenant=tenant,
                    base=books[tenant.currency],
                    percent="12.5",
                    starts_at=CONTRACTS_FROM,
                )
            kind = (tenant.currency, has_own, contract)
            group = groups.setdefault(kind, len(groups))
            if group == len(payers):
                payers.append(tenant)
            places += _places(tenant, rank, group)
    prepaid = frozenset(each for each in tenants if each.payment_mode == "prepaid")
    changes = (BEGINS, OWN_BOOK_FROM, CONTRACTS_FROM, *CHANGES)
    return World(tenants, places, payers, prepaid, changes)


def _book(currency: str, *, name: str = "list") -> PriceBook:
    """Make a book whose prices change; a default one under its usual name."""
    book = pricing.create_price_book(
        name=f"{name} {currency}", currency=currency, is_default=name == "list"
    )
    starts = (ORDERED - dt.timedelta(days=200), *CHANGES)
    for number, effective_at in enumerate(starts):
        version = pricing.draft_version(book=book, effective_at=effective_at)
        for place, model in enumerate(MODELS, 1):
            # All are whole picos a token, and no two of them alike.
            quote = QUOTES[currency] / place * (1 + number / 10)
            quote *= 0.8 if name == "own" else 1
            pricing.set_price(
                version=version,
                model=model,
                input_per_million=f"{quote:.6f}",
                cached_input_per_million=f"{quote / 10:.6f}",
                output_per_million=f"{quote * 5:.6f}",
            )
        pricing.publish_version(version=version, now=ORDERED)
    return book


def _tenant(rank: int) -> Tenant:
    """Make a tenant whose calendar begins with the first event."""
    tenant = make_tenant(
        slug=f"scale-{rank}",
        currency=CURRENCIES[rank % len(CURRENCIES)],
        zone=ZONES[rank % len(ZONES)],
        payment_mode="prepaid" if rank % PREPAID_EVERY == 0 else "postpaid",
        period_day=rank % 28 + 1 if rank % ANNIVERSARY_EVERY == 0 else 1,
    )
    Tenant.objects.filter(pk=tenant.pk).update(created_at=BEGINS)
    tenant.refresh_from_db()
    cover(tenant=tenant, earliest=BEGINS, latest=BEGINS)
    return tenant


def _places(tenant: Tenant, rank: int, group: int) -> Iterator[Place]:
    """Give a tenant keys, and each a few models."""
    count = max(3, round(120 / math.sqrt(rank)))
    models = itertools.cycle(MODELS)
    for first in range(0, count, KEY_MODELS):
        key = make_key(tenant=tenant).row
        for _ in range(first, min(count, first + KEY_MODELS)):
            yield Place(
                tenant_id=tenant.pk,
                project_id=key.project_id,
                api_key_id=key.pk,
                group=group,
                model=next(models),
                weight=1 / rank / count,
            )
