"""Tell operators of cases by mail: each once, and again when it has grown by a factor.

The cases are the outbox: one that is open and was not told of is due, and so is one
that has grown since. One mail tells of all that are due, to every operator who may see
reconciliation. It is marked as told once a mail server has taken it.

Failure: without a mail server, or anybody to write to, nothing is told and the cases
wait; they stand on the admin's front page, and `books_differ` in the log. A process
that dies between sending and marking has the same mail sent twice.
"""

import datetime as dt
from smtplib import SMTPException
from urllib.parse import urljoin

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.mail import EmailMessage
from django.db.models import F, Q, QuerySet
from django.urls import reverse

from kit.orm.atomic import atomic
from metering.reconciliation.cases import GROWTH_FACTOR
from metering.reconciliation.models import Case
from metering.reconciliation.selectors import proves

CASES_MAX = 20

log = structlog.get_logger(__name__)


def tell_operators(*, now: dt.datetime) -> int:
    """Send one mail of all cases that are due; return how many it tells of."""
    if not settings.EMAIL_IS_SET:
        return 0
    with atomic():
        # Another worker that comes here meanwhile passes by.
        due = list(_due().select_for_update(skip_locked=True).order_by("pk"))
        readers = _readers() if due else []
        if not due or not readers:
            return 0
        try:
            _mail(due, readers).send()
        except (OSError, SMTPException) as error:
            # Not the error's text: a mail server's answer repeats the address.
            log.warning("cases_not_mailed", error=type(error).__name__)
            return 0
        Case.objects.filter(pk__in=[each.pk for each in due]).update(
            told_at=now, told_amount=F("amount")
        )
    return len(due)


def _due() -> QuerySet[Case]:
    grown = Q(amount__gt=F("told_amount") * GROWTH_FACTOR)
    return Case.objects.filter(Q(told_at=None) | grown, state=Case.State.OPEN)


def _readers() -> list[str]:
    """Return the addresses of operators who may see what is told."""
    may = Permission.objects.filter(
        content_type__app_label="reconciliation", codename="view_case"
    )
    operators = get_user_model().objects.filter(is_active=True, is_staff=True)
    allowed = (
        Q(is_superuser=True)
        | Q(user_permissions__in=may)
        | Q(groups__permissions__in=may)
    )
    found = operators.filter(allowed).exclude(email="").order_by("pk").distinct()
    return list(dict.fromkeys(found.values_list("email", flat=True)))


def _mail(cases: list[Case], readers: list[str]) -> EmailMessage:
    things = "1 thing does" if len(cases) == 1 else f"{len(cases)} things do"
    page = urljoin(settings.PUBLIC_URL, reverse("admin:reconciliation_case_changelist"))
    lines = [line for case in cases[:CASES_MAX] for line in _lines(case)]
    if len(cases) > CASES_MAX:
        lines += [f"And {len(cases) - CASES_MAX} more.", ""]
    return EmailMessage(
        subject=f"{things} not agree",
        body="\n".join([*lines, f"Take it, or explain it: {page}", ""]),
        # Their addresses are nobody else's business.
        bcc=readers,
        headers={"Auto-Submitted": "auto-generated"},
    )


def _lines(case: Case) -> list[str]:
    again = "" if case.told_at is None else " (told before, and grown)"
    promise = proves(case.check_name)
    return [
        f"{case.check_name}: {case.subject}{again}",
        *([f"  should hold: {promise}"] if promise else []),
        f"  expected: {case.expected}",
        f"  found: {case.found}",
        "",
    ]
