"""Celery tasks of jobs: an idempotent scan of what is to be done."""

import time

from celery import shared_task

from kit.orm.roles import as_operator
from metering.jobs import stepping
from metering.jobs.services import TASK
from metering.usage.selectors import database_now

# A worker is soon free for others again: the next scan goes on.
_WORKING_S = 20.0


@shared_task(name=TASK)
def work() -> None:
    """Take steps of jobs for a while."""
    began = time.monotonic()
    with as_operator():
        while stepping.work(now=database_now()):
            if time.monotonic() - began > _WORKING_S:
                return
