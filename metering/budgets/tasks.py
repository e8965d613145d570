"""Celery tasks of budgets: scans that a lost or doubled message cannot hurt."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.budgets.tidying import tidy
from metering.usage.selectors import database_now


@shared_task(name="budgets.tidy")
def tidy_up() -> None:
    """Delete leases that were left behind, and windows that ended long ago."""
    with as_operator():
        tidy(now=database_now())
