"""Celery tasks of tenants: scans that a lost or doubled message cannot hurt."""

from celery import shared_task
from django.utils import timezone

from kit.orm.roles import as_operator
from tenants import idempotency, services


@shared_task(name="tenants.send_invitations")
def send_invitations() -> None:
    """Send the mails of invitations that have not gone yet."""
    with as_operator():
        services.send_due_invitations(now=timezone.now())


@shared_task(name="tenants.purge_answers")
def purge_answers() -> None:
    """Forget the answers to writes that are older than a day."""
    with as_operator():
        idempotency.purge_answers(now=timezone.now())
