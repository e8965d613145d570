"""The mails of dunning: which invoice, what is open, since when, and what follows.

Each is composed from its step and the invoice as it is then, and sent after the step
was committed. Failure: a mail that cannot be sent is tried again for a day, then given
up and shown as failed; it stops no other, nor any step.
"""

import datetime as dt
from smtplib import SMTPException
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import F
from django.template.loader import render_to_string

from kit.money import format_minor
from kit.orm.atomic import atomic
from metering.receivables.models import DunningStep
from tenants.mail import plain

BATCH = 20
RETRY_AFTER = tuple(dt.timedelta(minutes=each) for each in (5, 30, 120, 480, 960))

log = structlog.get_logger(__name__)
Kind = DunningStep.Kind
Mail = DunningStep.Mail
_SUBJECTS = {
    Kind.REMINDER: "Invoice {number} is overdue",
    Kind.SUSPENSION: "Suspended: invoice {number} is unpaid",
    Kind.RECOVERY: "Served again: invoice {number} is settled",
}


def send_mails(*, now: dt.datetime) -> int:
    """Send the mails that are due; return how many went.

    Without a mail server nothing is tried, and they wait.
    """
    if not settings.EMAIL_IS_SET:
        return 0
    return sum(_send(step) for step in _claimed(now))


def message(step: DunningStep) -> EmailMultiAlternatives:
    """Compose the mail of a step."""
    context = _context(step)
    mail = EmailMultiAlternatives(
        subject=context["subject"],
        body=render_to_string("receivables/mail/dunning.txt", context),
        to=[step.tenant.billing_email],
        headers={
            "Auto-Submitted": "auto-generated",
            # The same at each attempt: readers show it once.
            "Message-ID": f"<dunning-{step.pk}@{context['host']}>",
        },
    )
    html = render_to_string("receivables/mail/dunning.html", context)
    mail.attach_alternative(html, "text/html")
    return mail


def _context(step: DunningStep) -> dict[str, Any]:
    invoice = step.invoice
    kind = Kind(step.kind)
    return {
        "subject": _SUBJECTS[kind].format(number=invoice.number),
        "number": invoice.number,
        "tenant": plain(step.tenant.name),
        "open": format_minor(step.open_minor, invoice.currency),
        "due_date": invoice.due_date,
        "is_recovery": kind == Kind.RECOVERY,
        "is_suspension": kind == Kind.SUSPENSION,
        "address": invoice.hosted_url,
        "host": urlsplit(settings.PUBLIC_URL).hostname or "localhost",
    }


def _claimed(now: dt.datetime) -> list[DunningStep]:
    """Take the mails that are due, and put off their next attempt before this one."""
    with atomic():
        rows = list(
            DunningStep.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(mail=Mail.WAITING, mail_due_at__lte=now)
            .select_related("invoice", "tenant")
            .order_by("mail_due_at")[:BATCH]
        )
        for row in rows:
            row.mail_due_at = (
                now + RETRY_AFTER[min(row.mail_attempts, len(RETRY_AFTER) - 1)]
            )
            row.mail_attempts += 1
            row.save(update_fields=["mail_due_at", "mail_attempts"])
    return rows


def _send(step: DunningStep) -> bool:
    row = DunningStep.objects.filter(pk=step.pk)
    if not step.tenant.billing_email:
        row.update(mail=Mail.NO_ADDRESS)
        return False
    try:
        message(step).send()
    except (OSError, SMTPException) as error:
        # Not the error's text: a mail server's answer repeats the address.
        log.warning("dunning_not_mailed", step=step.pk, error=type(error).__name__)
        row.filter(mail_attempts__gte=len(RETRY_AFTER)).update(mail=Mail.FAILED)
        return False
    row.update(mail=Mail.SENT, mail_attempts=F("mail_attempts"))
    return True
