"""The past, written into a product as gateways would have left it behind.

Runs inside the product's environment, by `manage.py shell`. Tenants, keys, models and
prices are made by the services that operators use, events by the factory that writes as
a gateway does; the product's own worker then rolls them up and its own books take them
over. Prints every key with its tenant's slug as JSON.
"""

import datetime as dt
import json
import os
import random
import sys
from collections.abc import Sequence
from dataclasses import replace

from inference.control import services as serving
from kit.contracts import LinearPrice, TokenCounts
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from metering.pricing import services as pricing
from metering.pricing.assigning import assign_book
from metering.pricing.models import PriceBook
from metering.pricing.selectors import linear, prices
from metering.usage.models import Epoch
from metering.usage.services import cover, make_partitions
from tenants import services as tenancy
from tenants.models import Tenant
from tests.factories.tenants import default_project
from tests.factories.usage import Use, commit
from tests.pictures.past import (
    CONTEXT_TOKENS,
    CUSTOMERS,
    DAYS,
    MODELS,
    SEED,
    Customer,
    began,
    moments,
    pace,
)
from tests.pictures.people import invite

# As `make up` calls the model of its simulator, which answers for all of them here.
UPSTREAM_MODEL = "demo-model"
BATCH = 2_000
# Of all the requests: the pictures show amounts, not how many rows a machine holds.
SHARE = 0.4


def main() -> None:
    """Write it all and print what was made."""
    made = write(os.environ["ENGINE_URL"], share=SHARE)
    sys.stdout.write(
        json.dumps([{"slug": tenant.slug, "key": key} for tenant, key in made])
    )


def write(engine_url: str, *, share: float = 1.0) -> list[tuple[Tenant, str]]:
    """Write it all, or a share of the requests; return every key with its tenant."""
    now, chance = dt.datetime.now(dt.UTC), random.Random(SEED)
    speeds = random.Random(SEED)
    made = []
    with as_operator():
        for days in range(0, DAYS + 28, 28):
            with atomic():
                make_partitions(now=now - dt.timedelta(days=days))
        _serve(engine_url)
        book, listed = _price(since=began(now) - dt.timedelta(days=1))
        for customer in CUSTOMERS:
            tenant, issued = _tenant(customer, book, since=customer.came(now))
            keys = [one.row for one in issued]
            cover(tenant=tenant, earliest=began(now), latest=now)
            uses = [
                Use(
                    price=listed[MODELS[moment.model].name],
                    tenant_id=tenant.pk,
                    project_id=key.project_id,
                    api_key_id=key.pk,
                    admitted_at=moment.at,
                    counts=TokenCounts(
                        input_tokens=moment.prompt_tokens - moment.cached_tokens,
                        cached_input_tokens=moment.cached_tokens,
                        output_tokens=moment.answer_tokens,
                    ),
                )
                for moment in moments(customer, now=now, chance=chance)
                if share == 1.0 or chance.random() < share
                for key in chance.choices(keys)
            ]
            _commit([_paced(use, speeds) for use in uses])
            made += [(tenant, one.key) for one in issued]
        invite(made[0][0])
    return made


def _serve(engine_url: str) -> None:
    """Serve every model by the product's one engine."""
    for number, listed in enumerate(MODELS):
        model = serving.create_model(name=listed.name, context_tokens=CONTEXT_TOKENS)
        serving.add_replica(
            model=model,
            name=f"gpu-{number + 1}",
            url=engine_url,
            upstream_model=UPSTREAM_MODEL,
        )


def _price(*, since: dt.datetime) -> tuple[PriceBook, dict[str, LinearPrice]]:
    """Publish one book with a price for every model, in force since then."""
    book = pricing.create_price_book(name="Standard", currency="USD", is_default=False)
    version = pricing.draft_version(book=book, effective_at=since)
    for model in MODELS:
        uncached, cached, output = model.prices
        pricing.set_price(
            version=version,
            model=model.name,
            input_per_million=uncached,
            cached_input_per_million=cached,
            output_per_million=output,
        )
    pricing.publish_version(version=version, now=since)
    return book, {price.model: linear(price) for price in prices(version=version)}


def _tenant(
    customer: Customer, book: PriceBook, *, since: dt.datetime
) -> tuple[Tenant, list[tenancy.IssuedKey]]:
    """Make a tenant of long ago with two projects and three keys."""
    tenant = tenancy.create_tenant(
        slug=customer.slug,
        name=customer.name,
        billing_email=f"billing@{customer.slug}.example",
    )
    assign_book(tenant=tenant, book=book, now=since)
    Tenant.objects.filter(pk=tenant.pk).update(created_at=since)
    tenant.refresh_from_db()
    research = tenancy.create_project(tenant=tenant, slug="research", name="Research")
    issued = [
        tenancy.issue_key(tenant=tenant, project=project, name=name)
        for project, name in (
            (default_project(tenant), "production"),
            (default_project(tenant), "nightly batch"),
            (research, "notebooks"),
        )
    ]
    return tenant, issued


def _paced(use: Use, speeds: random.Random) -> Use:
    """Return a request with the times that an engine would have taken for it."""
    first_us, last_us = pace(use.counts.output_tokens, speeds)
    return replace(
        use, first_token_us=first_us, last_token_us=last_us, duration_us=last_us
    )


def _commit(uses: Sequence[Use]) -> None:
    """Commit the events of one gateway's run, which has ended since."""
    epoch = Epoch.objects.create(
        gateway=f"gateway-of-{uses[0].tenant_id}",
        epoch=1,
        state=Epoch.State.CLOSED,
        started_at=uses[0].admitted_at,
        heartbeat_at=uses[-1].admitted_at,
    )
    for start in range(0, len(uses), BATCH):
        commit(epoch, *uses[start : start + BATCH])
    with atomic():
        Epoch.objects.filter(pk=epoch.pk).update(admitted=len(uses), settled=len(uses))
