"""Writes of plan versions and subscriptions; the modules behind say how each fails."""

from metering.subscriptions.publishing import (
    ComponentWanted,
    DiscountWanted,
    change_plan_version,
    draft_plan_version,
    publish_plan_version,
    set_components,
    set_discounts,
)
from metering.subscriptions.subscribing import (
    Migrated,
    change_subscription,
    end_subscription,
    migrate_subscriptions,
    subscribe,
)

__all__ = [
    "ComponentWanted",
    "DiscountWanted",
    "Migrated",
    "change_plan_version",
    "change_subscription",
    "draft_plan_version",
    "end_subscription",
    "migrate_subscriptions",
    "publish_plan_version",
    "set_components",
    "set_discounts",
    "subscribe",
]
