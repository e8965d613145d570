"""Follow how a tenant pays: from which use on its credit burns.

In the transaction of the change, so that no gateway admits by one mode what burns by
the other. Failure: what cannot be followed is not changed.
"""

from typing import Any

from django.db.models.signals import post_save

from metering.budgets.recalling import hold_credit
from metering.ledger.credit import follow_payment_mode
from metering.ledger.models import CreditAccount
from metering.usage.epochs import database_now
from tenants.models import Tenant


def connect() -> None:
    """Follow tenants as they are saved."""
    post_save.connect(_follow, sender=Tenant, dispatch_uid="ledger.credit")


def _follow(instance: Tenant, created: bool, **_: Any) -> None:
    is_prepaid = instance.payment_mode == Tenant.PaymentMode.PREPAID
    account = CreditAccount.objects.filter(tenant_id=instance.pk).first()
    burns = account is not None and account.paused_at_picos is None
    if burns is is_prepaid:
        return
    if created:
        # It has used nothing yet, and nobody else knows of it.
        CreditAccount.objects.create(tenant_id=instance.pk)
        return
    posted = hold_credit(tenant_id=instance.pk)
    follow_payment_mode(tenant=instance, posted_picos=posted, now=database_now())
