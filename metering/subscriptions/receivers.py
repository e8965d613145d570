"""Keep tenants that hold a plan from paying before use.

In the transaction of the change, whose row every writer of subscriptions holds too.
Failure: a tenant with a plan is refused with `Conflict`, and nothing changes.
"""

from typing import Any

from django.db.models.signals import post_save

from metering.subscriptions.subscribing import require_no_plan
from metering.usage.epochs import database_now
from tenants.models import Tenant


def connect() -> None:
    """Look at tenants as they are saved."""
    post_save.connect(_look, sender=Tenant, dispatch_uid="subscriptions.prepaid")


def _look(instance: Tenant, created: bool, **_: Any) -> None:
    is_prepaid = instance.payment_mode == Tenant.PaymentMode.PREPAID
    if is_prepaid and not created:
        require_no_plan(tenant=instance, now=database_now())
