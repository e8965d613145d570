"""Celery task of top-ups: a scan that a lost or doubled message cannot hurt."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.topups import services
from metering.usage.selectors import database_now


@shared_task(name="topups.advance")
def advance() -> None:
    """Ask for the top-ups that rules want, and invoice what is due."""
    with as_operator():
        services.advance(now=database_now())
