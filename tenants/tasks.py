"""Celery tasks of tenants: scans that a lost or doubled message cannot hurt."""

from celery import shared_task
from django.utils import timezone

from kit.orm.roles import as_operator
from tenants import idempotency, services
from tenants.mails import addresses, sending

# A long audit takes longer than the worker's other tasks may.
_VERIFY_LIMIT_S = 50 * 60


@shared_task(name="tenants.send_invitations")
def send_invitations() -> None:
    """Send the mails of invitations that have not gone yet."""
    with as_operator():
        services.send_due_invitations(now=timezone.now())


@shared_task(name="tenants.send_mails")
def send_mails() -> None:
    """Ask addresses that were named, and send every mail that waits."""
    now = timezone.now()
    with as_operator():
        addresses.ask_for_answers(now=now)
        sending.send_waiting(now=now)


@shared_task(name="tenants.forget_mails")
def forget_mails() -> None:
    """Forget mails that went long ago, and what forgotten addresses left."""
    now = timezone.now()
    with as_operator():
        sending.forget_mails(now=now)
        addresses.forget_digests(now=now)


@shared_task(name="tenants.purge_answers")
def purge_answers() -> None:
    """Forget the answers to writes that are older than a day."""
    with as_operator():
        idempotency.purge_answers(now=timezone.now())


@shared_task(name="audit.anchor")
def anchor_audit() -> None:
    """Sign how far each chain of the audit has come, once a day."""
    with as_operator():
        services.anchor_chains(now=timezone.now())


@shared_task(name="audit.verify", time_limit=_VERIFY_LIMIT_S)
def verify_audit() -> None:
    """Walk every chain of the audit; what does not hold is logged as an error."""
    with as_operator():
        services.verify_audit()
