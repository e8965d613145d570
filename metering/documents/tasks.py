"""Celery tasks of documents: an idempotent scan of what was issued."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.documents import services, telling
from metering.usage.selectors import database_now


@shared_task(name="documents.make")
def make_documents() -> None:
    """Make the documents that are missing."""
    with as_operator():
        services.make_documents(now=database_now())


@shared_task(name="documents.tell")
def tell() -> None:
    """Let mails wait for new invoices and payments."""
    with as_operator():
        telling.tell(now=database_now())
