"""Celery tasks of alerts: scans that a lost or doubled message cannot hurt."""

from celery import shared_task
from django.utils import timezone

from kit.orm.roles import as_operator
from metering.alerts import purging, retiring, sending, watching
from metering.usage.selectors import database_now


@shared_task(name="alerts.scan")
def scan() -> None:
    """Tell of the shares of budgets that were crossed."""
    with as_operator():
        # The windows' instants are the database's.
        watching.scan(now=database_now())


@shared_task(name="alerts.watch_all")
def watch_all() -> None:
    """Watch the windows that were opened unseen."""
    with as_operator():
        watching.watch_all(now=database_now())


@shared_task(name="alerts.tell_of_models")
def tell_of_models() -> None:
    """Tell of models that retire whoever called them lately."""
    with as_operator():
        retiring.scan(now=timezone.now())


@shared_task(name="alerts.call_webhooks")
def call_webhooks() -> None:
    """Call the endpoints that something is due for."""
    with as_operator():
        sending.call_webhooks(now=timezone.now())


@shared_task(name="alerts.send_mails")
def send_mails() -> None:
    """Send the mails that are due."""
    with as_operator():
        sending.send_mails(now=timezone.now())


@shared_task(name="alerts.purge")
def purge() -> None:
    """Forget what is settled and old."""
    with as_operator():
        purging.purge(now=timezone.now())
