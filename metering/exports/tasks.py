"""Celery tasks of exports: idempotent scans of what waits and of what has expired."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.exports import services
from metering.usage.selectors import database_now


@shared_task(name="exports.make")
def make_exports() -> None:
    """Make the files that wait."""
    with as_operator():
        services.make_exports(now=database_now())


@shared_task(name="exports.throw_away")
def throw_away_expired() -> None:
    """Throw away the files whose time is over."""
    with as_operator():
        services.throw_away_expired(now=database_now())
