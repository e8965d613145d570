"""Celery tasks of billing: scans that a lost or doubled message cannot hurt."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.billing import services
from metering.billing.providers.stripe import leaving
from metering.usage.selectors import database_now


@shared_task(name="billing.close_due_periods")
def close_due_periods() -> None:
    """Close the periods that have ended into draft invoices."""
    with as_operator():
        services.close_due_periods(now=database_now())


@shared_task(name="billing.advance_invoices")
def advance_invoices() -> None:
    """Let providers issue the drafts."""
    with as_operator():
        services.advance_invoices(now=database_now())


@shared_task(name="billing.delete_left_drafts")
def delete_left_drafts() -> None:
    """Delete the drafts of invoices that left their provider."""
    with as_operator():
        leaving.delete_left_drafts(now=database_now())
