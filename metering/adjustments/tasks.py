"""Celery tasks of adjustments: an idempotent scan of what was decided on."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.adjustments import services
from metering.usage.selectors import database_now


@shared_task(name="adjustments.continue_reratings")
def continue_reratings() -> None:
    """Do what is left of every re-rating; one that is cut off goes on with the next."""
    with as_operator():
        services.continue_reratings(now=database_now())
