"""Celery tasks of economics: scans that a lost or doubled message cannot hurt."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.economics import services
from metering.usage.selectors import database_now


@shared_task(name="economics.note_replicas")
def note_replicas() -> None:
    """Note which replicas are there."""
    with as_operator():
        services.note_replicas(now=database_now())


@shared_task(name="economics.work_out")
def work_out() -> None:
    """Work out the margins of the days that may have changed."""
    with as_operator():
        services.work_out_due(now=database_now())
