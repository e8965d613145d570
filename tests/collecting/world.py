"""Who is billed: tenants with a month of use, its period closed and drafted for Stripe.

Every tenth has prices so low that its invoice is less than the least that Stripe
charges. Every event is a few cents or dollars, so that few events make real invoices.
Failure: none of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kit.orm.roles import as_operator
from metering.pricing import services as pricing
from metering.pricing.assigning import assign_book
from metering.pricing.models import PriceBook
from metering.usage.services import cover, make_partitions
from tenants.models import Tenant
from tests.databases import Database
from tests.factories.tenants import make_key, make_tenant
from tests.scale.events import prepare, write_events
from tests.scale.sizes import BEGINS, MONTHS, ORDERED, Scale
from tests.scale.world import MODELS, Place, World

EVENTS_EACH = 12
MODELS_EACH = 3
SMALL_EVERY = 10
# Of a million tokens of the dearest model's input; an event has about a thousand.
QUOTES = {"USD": 600, "EUR": 540, "JPY": 90_000}
SMALL_SHARE = 1 / 400
CURRENCIES = ("USD", "USD", "EUR", "JPY")


@dataclass(frozen=True, slots=True)
class Customers:
    """Those who are billed for use, and those who buy credit."""

    billed: Sequence[Tenant]
    buyers: Sequence[Tenant]


def make_customers(database: Database, count: int, *, buyers: int) -> Customers:
    """Make tenants and commit the events of their month."""
    with as_operator():
        for begins, _ in MONTHS:
            make_partitions(now=begins)
        books = {
            (currency, share): _book(currency, share)
            for currency in QUOTES
            for share in (1.0, SMALL_SHARE)
        }
        kinds = sorted(books)
        billed = [_tenant(f"pays-{rank}", rank) for rank in range(count)]
        places: list[Place] = []
        payers: dict[int, Tenant] = {}
        for rank, tenant in enumerate(billed):
            share = SMALL_SHARE if rank % SMALL_EVERY == SMALL_EVERY - 1 else 1.0
            if share != 1:
                book = books[tenant.currency, share]
                assign_book(tenant=tenant, book=book, now=ORDERED, starts_at=BEGINS)
            group = kinds.index((tenant.currency, share))
            payers.setdefault(group, tenant)
            places += _places(tenant, rank, group)
        bought = [_tenant(f"buys-{rank}", rank, "prepaid") for rank in range(buyers)]
    groups = sorted(payers)
    world = World(
        billed,
        [_renumbered(place, groups) for place in places],
        [payers[group] for group in groups],
        frozenset(),
        (BEGINS,),
    )
    prepare(database, world)
    write_events(database, Scale(events=3 * EVENTS_EACH * count, tenants=count), 0)
    return Customers(billed, bought)


def _renumbered(place: Place, groups: Sequence[int]) -> Place:
    return Place(
        place.tenant_id,
        place.project_id,
        place.api_key_id,
        groups.index(place.group),
        place.model,
        place.weight,
    )


def _book(currency: str, share: float) -> PriceBook:
    book = pricing.create_price_book(
        name=f"{'list' if share == 1 else 'small'} {currency}",
        currency=currency,
        is_default=share == 1,
    )
    version = pricing.draft_version(
        book=book, effective_at=ORDERED - (BEGINS - ORDERED)
    )
    for rank, model in enumerate(MODELS, 1):
        quote = QUOTES[currency] * share / rank
        pricing.set_price(
            version=version,
            model=model,
            input_per_million=f"{quote:.6f}",
            cached_input_per_million=f"{quote / 10:.6f}",
            output_per_million=f"{quote * 5:.6f}",
        )
    pricing.publish_version(version=version, now=ORDERED)
    return book


def _tenant(slug: str, rank: int, payment_mode: str = "postpaid") -> Tenant:
    tenant = make_tenant(
        slug=slug,
        currency=CURRENCIES[rank % len(CURRENCIES)],
        payment_mode=payment_mode,
        billing_email=f"{slug}@example.test",
    )
    Tenant.objects.filter(pk=tenant.pk).update(created_at=BEGINS)
    tenant.refresh_from_db()
    cover(tenant=tenant, earliest=BEGINS, latest=BEGINS)
    return tenant


def _places(tenant: Tenant, rank: int, group: int) -> list[Place]:
    key = make_key(tenant=tenant).row
    return [
        Place(
            tenant_id=tenant.pk,
            project_id=key.project_id,
            api_key_id=key.pk,
            group=group,
            model=MODELS[(rank + number) % len(MODELS)],
            weight=1.0,
        )
        for number in range(MODELS_EACH)
    ]
