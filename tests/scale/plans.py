"""Plans for a third of those who pay afterwards: subscribed, changed, cancelled.

Each currency has two versions of a plan: one with a fee and tiers in place of the
linear price of one model's tokens, one with a commitment and a discount. In the second
month half of the subscribers change from the first to the second in the middle of a
period; in the third a few leave. Failure: none of its own.
"""

import datetime as dt
from decimal import Decimal

from kit.contracts import TokenClass
from kit.orm.roles import as_operator
from metering.subscriptions import services
from metering.subscriptions.models import PlanVersion, Subscription
from metering.subscriptions.services import ComponentWanted, DiscountWanted
from tenants.services import create_plan
from tests.scale.sizes import BEGINS, MONTHS, ORDERED
from tests.scale.world import MODELS, QUOTES, World

EVERY = 3
MIDDLE = dt.timedelta(days=16)


def agree(world: World, phase: int) -> int:
    """Agree on what begins in a month; return with how many tenants."""
    with as_operator():
        if phase == 0:
            return _subscribe(world)
        held = Subscription.objects.filter(ends_on=None).order_by("tenant_id")
        chosen = held[::2] if phase == 1 else held[::5]
        now = MONTHS[phase][0] + MIDDLE / 2
        date = (MONTHS[phase][0] + MIDDLE).date()
        for row in chosen:
            if phase == 1:
                other = PlanVersion.objects.get(plan=row.version.plan, number=2)
                services.change_subscription(
                    subscription=row, version=other, starts_on=date, now=now
                )
            else:
                services.end_subscription(subscription=row, ends_on=date, now=now)
        return len(chosen)


def _subscribe(world: World) -> int:
    versions = {currency: _versions(currency)[0] for currency in QUOTES}
    chosen = [
        tenant for tenant in world.tenants[::EVERY] if tenant.payment_mode == "postpaid"
    ]
    for tenant in chosen:
        services.subscribe(
            tenant=tenant,
            version=versions[tenant.currency],
            starts_on=BEGINS.date(),
            now=BEGINS,
        )
    return len(chosen)


def _versions(currency: str) -> list[PlanVersion]:
    plan = create_plan(slug=f"plan-{currency.lower()}", name=f"Plan {currency}")
    quote = QUOTES[currency]
    tiers = ComponentWanted(
        name="Tiers",
        meter="tokens",
        models=[MODELS[1]],
        token_classes=[TokenClass.INPUT],
        document={
            "model": "graduated",
            "tiers": [
                {"up_to": "20000", "unit_price": "0"},
                {"up_to": None, "unit_price": f"{quote / 3e6:.12f}"},
            ],
        },
    )
    tenth = DiscountWanted(name="A tenth", scope="usage", percent=Decimal(10))
    first = services.draft_plan_version(plan=plan, currency=currency, fee_minor=1000)
    services.set_components(version=first, components=[tiers])
    second = services.draft_plan_version(
        plan=plan, currency=currency, minimum_commitment_minor=3000
    )
    services.set_discounts(version=second, discounts=[tenth])
    return [
        services.publish_plan_version(version=each, now=ORDERED)
        for each in (first, second)
    ]
