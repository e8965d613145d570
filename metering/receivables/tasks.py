"""Celery tasks of receivables: scans that a lost or doubled message cannot hurt."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.receivables import dunning, mails
from metering.usage.selectors import database_now


@shared_task(name="receivables.dun")
def dun() -> None:
    """Follow up unpaid invoices."""
    with as_operator():
        dunning.dun(now=database_now())


@shared_task(name="receivables.send_mails")
def send_mails() -> None:
    """Send what was not sent yet of that."""
    with as_operator():
        mails.send_mails(now=database_now())
