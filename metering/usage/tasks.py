"""Celery tasks of usage: scans that a lost or doubled message cannot hurt."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.usage import services
from metering.usage.epochs import database_now


@shared_task(name="usage.roll_up")
def roll_up() -> None:
    """Roll up what gateways committed; a stopped epoch is reported by the service."""
    with as_operator():
        services.roll_up()


@shared_task(name="usage.write_calendar")
def write_calendar() -> None:
    """Write billing days and event partitions ahead."""
    with as_operator():
        now = database_now()
        services.make_partitions(now=now)
        services.write_calendar(now=now)


@shared_task(name="usage.close_silent_epochs")
def close_silent_epochs() -> None:
    """Close the epochs of gateways that are gone."""
    with as_operator():
        services.close_silent_epochs(now=database_now())


@shared_task(name="usage.purge_key_hours")
def purge_key_hours() -> None:
    """Delete hours by key that nobody looks at any more."""
    with as_operator():
        services.purge_key_hours(now=database_now())
