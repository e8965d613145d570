"""Celery tasks of idempotency: scans that a lost or doubled message cannot hurt."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.idempotency import services
from metering.usage.selectors import database_now


@shared_task(name="idempotency.credit_retries")
def credit_retries() -> None:
    """Credit attempts that ended by a fault of ours and were tried again."""
    with as_operator():
        services.credit_retries(now=database_now())


@shared_task(name="idempotency.purge")
def purge() -> None:
    """Forget keys that are out of use."""
    with as_operator():
        services.purge(now=database_now())
