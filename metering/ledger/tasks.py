"""Celery tasks of the ledger: scans that a lost or doubled message cannot hurt."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.ledger import services
from metering.usage.selectors import database_now


@shared_task(name="ledger.post_days")
def post_days() -> None:
    """Take ended billing days over into the ledger, and what burned of credit."""
    with as_operator():
        services.post_days(now=database_now())
        services.book_due_burns(now=database_now())


@shared_task(name="ledger.settle_credit")
def settle_credit() -> None:
    """End the credit of idle tenants that has run out."""
    with as_operator():
        services.settle_credit(now=database_now())


@shared_task(name="ledger.merge_months")
def merge_months() -> None:
    """Merge what postings added to the sums of months."""
    with as_operator():
        services.merge_months()
