"""Published plan versions and subscriptions for tests, made by services."""

import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Any

from kit.orm.roles import as_operator
from metering.subscriptions import services
from metering.subscriptions.models import PlanVersion, Subscription
from metering.subscriptions.services import ComponentWanted, DiscountWanted
from tenants.models import Plan, Tenant
from tenants.services import create_plan

_numbers = itertools.count(1)
PUBLISHED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def make_draft_version(
    *,
    plan: Plan | None = None,
    currency: str = "USD",
    components: Sequence[ComponentWanted] = (),
    discounts: Sequence[DiscountWanted] = (),
    **terms: Any,
) -> PlanVersion:
    """Draft a version, of a new plan unless one is given."""
    number = next(_numbers)
    with as_operator():
        version = services.draft_plan_version(
            plan=plan or create_plan(slug=f"priced-{number}", name=f"Plan {number}"),
            currency=currency,
            **terms,
        )
        services.set_components(version=version, components=components)
        services.set_discounts(version=version, discounts=discounts)
    return version


def make_plan_version(**fields: Any) -> PlanVersion:
    """Publish a version, of a new plan unless one is given."""
    draft = make_draft_version(**fields)
    with as_operator():
        return services.publish_plan_version(version=draft, now=PUBLISHED)


def make_subscription(
    *,
    tenant: Tenant,
    starts_on: dt.date,
    now: dt.datetime,
    version: PlanVersion | None = None,
    ends_on: dt.date | None = None,
) -> Subscription:
    """Subscribe a tenant, to a new version in its currency unless one is given."""
    version = version or make_plan_version(currency=tenant.currency, fee_minor=3100)
    with as_operator():
        return services.subscribe(
            tenant=tenant,
            version=version,
            starts_on=starts_on,
            ends_on=ends_on,
            now=now,
        )
