"""Send the mails of invitations: a scan of the rows whose present link has not gone.

A message asks for the scan right after the commit; a lost one is made up for by the
next scan. Failure: what the mail server refuses is tried again, later each time, until
the invitation expires. A crash after the sending sends once more: the same link, under
the same message id.
"""

import datetime as dt
from smtplib import SMTPException

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from kit.orm.atomic import atomic
from kit.orm.roles import current_alias
from tenants import mail
from tenants.mails.sending import send_noted
from tenants.models import Invitation, Mail

TASK = "tenants.send_invitations"
RUN_MAX = 200
_FIRST_DELAY = dt.timedelta(minutes=1)
_LONGEST_DELAY = dt.timedelta(hours=6)

log = structlog.get_logger(__name__)


def send_soon() -> None:
    """Ask a worker for a scan once the transaction has committed."""
    # Robust: what is written is written, and a broker that is away is made up for.
    transaction.on_commit(_ask, using=current_alias(), robust=True)


def send_due_invitations(*, now: dt.datetime) -> int:
    """Send what is due, one row and one transaction at a time; return how many went.

    Idempotent, and workers pass by each other's rows. Without a mail server nothing is
    tried: invitations wait, and say so by having no `sent_at`.
    """
    if not settings.EMAIL_IS_SET:
        return 0
    sent = 0
    for _ in range(RUN_MAX):
        went = _send_next(now)
        if went is None:
            break
        sent += went
    return sent


def _ask() -> None:
    current_app.send_task(TASK, retry=False)


def _send_next(now: dt.datetime) -> bool | None:
    """Send one mail that is due; None when none is."""
    with atomic():
        row = _due(now).first()
        if row is None:
            return None
        try:
            send_noted(
                [mail.invitation_message(row)],
                kind=Mail.Kind.INVITATION,
                subject_id=row.pk,
                tenant_id=row.tenant_id,
                now=now,
            )
        except (OSError, SMTPException) as error:
            delay = min(_FIRST_DELAY * 2 ** min(row.send_failures, 16), _LONGEST_DELAY)
            # Not the error's text: a mail server's answer repeats the address.
            log.warning(
                "invitation_not_sent",
                invitation=row.pk,
                error=type(error).__name__,
                failures=row.send_failures + 1,
            )
            Invitation.objects.filter(pk=row.pk).update(
                send_failures=F("send_failures") + 1, send_after=now + delay
            )
            return False
        Invitation.objects.filter(pk=row.pk).update(sent_at=now, send_after=None)
    return True


def _due(now: dt.datetime) -> QuerySet[Invitation]:
    rows = Invitation.objects.filter(
        sent_at=None,
        send_after__lte=now,
        accepted_at=None,
        revoked_at=None,
        expires_at__gt=now,
    )
    locked = rows.order_by("send_after", "pk").select_for_update(
        of=("self",), skip_locked=True
    )
    return locked.select_related("tenant", "invited_by")
