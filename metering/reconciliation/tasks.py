"""Celery tasks of reconciliation: scans that a doubled message only repeats."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.reconciliation import asking, cases, services, telling
from metering.reconciliation.engines import reading
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


@shared_task(name=asking.TASK, time_limit=_TIME_LIMIT_S)
def make_asked() -> None:
    """Make the runs that operators asked for."""
    with as_operator():
        asking.make_asked(now=database_now())


@shared_task(name="reconciliation.read_engines")
def read_engines() -> None:
    """Read what the engines have counted."""
    with as_operator():
        reading.read_engines(now=database_now())


@shared_task(name="reconciliation.thin_readings")
def thin_readings() -> None:
    """Delete the readings of engines that are no longer needed."""
    with as_operator():
        reading.thin_readings(now=database_now())


@shared_task(name="reconciliation.tell")
def tell() -> None:
    """See whether the nightly runs are made, and tell operators of cases."""
    with as_operator():
        cases.watch_runs(now=database_now())
        telling.tell_operators(now=database_now())
