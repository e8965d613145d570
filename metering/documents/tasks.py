"""Celery tasks of documents: an idempotent scan of what was issued."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.documents import failing, services, telling
from metering.usage.selectors import database_now
from tenants.mails.sending import send_waiting


@shared_task(name="documents.make")
def make_documents() -> None:
    """Make the documents that are missing."""
    with as_operator():
        services.make_documents(now=database_now())


@shared_task(name="documents.tell")
def tell() -> None:
    """Send mails of new invoices and payments, and of payments that failed."""
    with as_operator():
        now = database_now()
        if telling.tell(now=now) + failing.tell_of_failures(now=now):
            send_waiting(now=now)
