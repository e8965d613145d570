"""The mails of dunning: which invoice, what is open, since when, and what follows.

Each is composed from its step and the invoice as it is then, and sent after the step
was committed. Failure: a mail that cannot be sent is tried again for a day, then given
up and shown as failed; it stops no other, nor any step.
"""

import datetime as dt
import time
from smtplib import SMTPException

import structlog
from django.conf import settings
from django.db.models import F

from kit.money import format_minor
from kit.orm.atomic import atomic
from metering.receivables.models import DunningStep
from tenants.mail import plain
from tenants.mails.addresses import bill_readers
from tenants.mails.handing import messages_of
from tenants.mails.letter import Action, Letter, console_address
from tenants.mails.sending import (
    RUN_S_MAX,
    Composed,
    divided,
    end_broken_off,
    send_noted,
)
from tenants.models import Mail as MailRow

BATCH = 20
RETRY_AFTER = tuple(dt.timedelta(minutes=each) for each in (5, 30, 120, 480, 960))

log = structlog.get_logger(__name__)
Kind = DunningStep.Kind
Mail = DunningStep.Mail
OURS = "offline"


def send_mails(*, now: dt.datetime) -> int:
    """Send the mails that are due; return how many went.

    Without a mail server nothing is tried, and they wait. Each is claimed as its turn
    comes, and a slow run ends early: none is due again while it is being sent.
    """
    if not settings.EMAIL_IS_SET:
        return 0
    _give_up(now)
    sent, until = 0, time.monotonic() + RUN_S_MAX
    for _ in range(BATCH):
        if time.monotonic() >= until:
            break
        step = _claimed(now)
        if step is None:
            break
        sent += _send(step, now)
    return sent


def letter_of(step: DunningStep) -> Letter:
    """Return what the mail of a step says; reminders name the day service stops."""
    invoice, kind = step.invoice, Kind(step.kind)
    tenant, number = plain(step.tenant.name), invoice.number or ""
    still_open = format_minor(step.open_minor, invoice.currency)
    address = invoice.hosted_url if invoice.provider != OURS else ""
    here = console_address(step.tenant.slug, f"billing/invoices/{invoice.public_id}/")
    if kind == Kind.RECOVERY:
        return Letter(
            subject=f"Served again: invoice {number} of {tenant} is settled",
            headline=f"Invoice {number} of “{tenant}” is settled. Thank you.",
            paragraphs=("Your calls are served again from now on.",),
            action=Action("Open the invoice", here),
        )
    due = f"{invoice.due_date:%Y-%m-%d}" if invoice.due_date else "its issue"
    follows = (
        "Your calls are refused from now on. They are served again as soon as it is"
        " paid."
        if kind == Kind.SUSPENSION
        else f"While it stays unpaid, your calls will be refused from"
        f" {suspends_on(step):%Y-%m-%d} on, in days of {step.tenant.zone}."
    )
    subject = (
        f"Suspended: invoice {number} of {tenant} is unpaid, {still_open}"
        if kind == Kind.SUSPENSION
        else f"Invoice {number} of {tenant} is overdue, {still_open}"
    )
    return Letter(
        subject=subject,
        headline=f"{still_open} of invoice {number} is open",
        paragraphs=(
            f"Invoice {number} of “{tenant}” was due on {due}. {still_open} of it is"
            " open.",
            f"Please pay it, or tell us what is wrong with it. {follows}",
        ),
        facts=(("Invoice", number), ("Due", due), ("Open", still_open)),
        action=Action("Pay the invoice" if address else "Open the invoice", here),
        small=("If you have paid already, there is nothing to do.",),
    )


def suspends_on(step: DunningStep) -> dt.date:
    """Return the first day on which service may stop, after a reminder."""
    schedule = settings.DUNNING_DAYS
    if not 0 <= step.position < len(schedule):
        return step.taken_date
    # Steps are never nearer to each other than the schedule has them.
    apart = schedule[-1] - schedule[step.position]
    return step.taken_date + dt.timedelta(days=apart)


def composed(mail: MailRow) -> Composed | None:
    """Compose the mail of a step anew, for whoever reads bills now."""
    step = (
        DunningStep.objects.select_related("invoice", "tenant")
        .filter(pk=mail.subject_id)
        .first()
    )
    if step is None:
        return None
    return Composed(letter_of(step), bill_readers(step.tenant))


def _give_up(now: dt.datetime) -> None:
    """End those whose last attempt broke off without a word."""
    over = DunningStep.objects.filter(
        mail=Mail.WAITING, mail_due_at__lte=now, mail_attempts__gte=len(RETRY_AFTER)
    )
    with atomic():
        steps = list(over.select_for_update().values_list("pk", flat=True))
        over.filter(pk__in=steps).update(mail=Mail.FAILED)
        end_broken_off(kind=MailRow.Kind.DUNNING, subject_ids=steps)


def _claimed(now: dt.datetime) -> DunningStep | None:
    """Take the mail that is due first, and put off its next attempt before this one."""
    with atomic():
        row = (
            DunningStep.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(mail=Mail.WAITING, mail_due_at__lte=now)
            .select_related("invoice", "tenant")
            .order_by("mail_due_at", "id")
            .first()
        )
        if row is not None:
            row.mail_due_at = (
                now + RETRY_AFTER[min(row.mail_attempts, len(RETRY_AFTER) - 1)]
            )
            row.mail_attempts += 1
            row.save(update_fields=["mail_due_at", "mail_attempts"])
    return row


def _send(step: DunningStep, now: dt.datetime) -> bool:
    row = DunningStep.objects.filter(pk=step.pk)
    readers = bill_readers(step.tenant)
    if not readers:
        row.update(mail=Mail.NO_ADDRESS)
        return False
    before, left = divided(
        kind=MailRow.Kind.DUNNING, subject_id=step.pk, readers=readers
    )
    try:
        send_noted(
            messages_of(
                letter_of(step),
                readers=left,
                reference=f"dunning-{step.pk}",
            ),
            kind=MailRow.Kind.DUNNING,
            subject_id=step.pk,
            tenant_id=step.tenant_id,
            now=now,
            before=before,
        )
    except (OSError, SMTPException) as error:
        # Not the error's text: a mail server's answer repeats the address.
        log.warning("dunning_not_mailed", step=step.pk, error=type(error).__name__)
        row.filter(mail_attempts__gte=len(RETRY_AFTER)).update(mail=Mail.FAILED)
        return False
    row.update(mail=Mail.SENT, mail_attempts=F("mail_attempts"))
    return True
