"""Celery tasks of the inbox: scans that a lost or doubled message cannot hurt."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.inbox import catching_up, services
from metering.inbox.processing import process_next
from metering.usage.selectors import database_now

# What one message sees through; the scan of each minute goes on.
_OBJECTS_MAX = 500


@shared_task(name="inbox.process")
def process() -> None:
    """See through what is due."""
    with as_operator():
        for _ in range(_OBJECTS_MAX):
            if not process_next(now=database_now()):
                break


@shared_task(name="inbox.catch_up")
def catch_up() -> None:
    """Take in what no webhook told of."""
    with as_operator():
        catching_up.catch_up(now=database_now())


@shared_task(name="inbox.purge")
def purge() -> None:
    """Forget what was seen through long ago."""
    with as_operator():
        while services.purge(now=database_now()) == services.PURGED_AT_ONCE:
            pass
