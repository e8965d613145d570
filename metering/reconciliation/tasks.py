"""Celery tasks of reconciliation: reads that a doubled message only makes twice."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.reconciliation import services
from metering.usage.selectors import database_now

# Longer than the worker's other tasks may take, and well short of `RUN_TIME_MAX`.
_TIME_LIMIT_S = 50 * 60


@shared_task(name="reconciliation.reconcile", time_limit=_TIME_LIMIT_S)
def reconcile() -> None:
    """Hold each step of the last days against the one before."""
    with as_operator():
        services.reconcile(now=database_now())


@shared_task(name="reconciliation.verify_ledger", time_limit=_TIME_LIMIT_S)
def verify_ledger() -> None:
    """Hold every invariant of the books."""
    with as_operator():
        services.verify_ledger(now=database_now())
