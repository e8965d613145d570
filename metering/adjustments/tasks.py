"""Celery tasks of adjustments: an idempotent scan of what was decided on."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.adjustments.rerating_job import ask_for_those_left


@shared_task(name="adjustments.continue_reratings")
def continue_reratings() -> None:
    """Let each re-rating that goes on have a job, as those of a new one have."""
    with as_operator():
        ask_for_those_left()
