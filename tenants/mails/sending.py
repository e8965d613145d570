"""The outbox and the log of mail: what waits is sent, what went is noted.

Who has something to tell writes a `Mail` that waits (`tell_by_mail`), once by its kind
and what it tells of; its composer, handed over by the app that knows it, makes the
letter as it is sent. Mails with an outbox of their own (invitations, alerts, dunning)
are noted here as they go (`send_noted`).

Failure: whom the mail server refuses is tried again, later each time, for a day, and
then shown, as is one whose attempts all break off; whoever was reached is noted at once
and not written to again. Sent twice after a crash, it has the same message id. Owns:
`Mail`.
"""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.mail import EmailMultiAlternatives
from django.db import models
from django.db.models import Func, QuerySet, Value

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.audited import tell
from tenants.mails.handing import Handed, hand_in, messages_of
from tenants.mails.letter import Letter
from tenants.models import Mail

BATCH = 20
# What is claimed near its end is still being sent for minutes before it is due again.
RUN_S_MAX = 60.0
RETRY_AFTER = tuple(dt.timedelta(minutes=each) for each in (5, 30, 120, 480, 960))
KEPT = dt.timedelta(days=400)
_TITLE_CHARS_MAX = 300
BROKE_OFF = "the last attempt broke off"
FORGOTTEN = "whoever it did not reach was forgotten"
State = Mail.State
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Composed:
    """A letter, and who reads it now; nobody where there is no reader any more."""

    letter: Letter
    readers: tuple[str, ...]


Composer = Callable[[Mail], Composed | None]
_composers: dict[str, Composer] = {}


def hand_over(kind: Mail.Kind, composer: Composer) -> None:
    """Say how mails of a kind are composed; None for what is not told any more."""
    _composers[kind.value] = composer


def tell_by_mail(
    *, kind: Mail.Kind, told: list[tuple[int, int, int]], now: dt.datetime
) -> int:
    """Let mails wait, each of (tenant, subject, number); return how many are new.

    Those that there are stay as they are.
    """
    known = set(
        Mail.objects.filter(kind=kind, subject_id__in=[each[1] for each in told])
        .order_by()
        .values_list("subject_id", "number")
    )
    rows = [
        Mail(tenant_id=tenant, kind=kind, subject_id=subject, number=number, due_at=now)
        for tenant, subject, number in told
        if (subject, number) not in known
    ]
    with atomic():
        Mail.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def send_waiting(*, now: dt.datetime) -> int:
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
        row = _claimed(now)
        if row is None:
            break
        sent += _send(row, now)
    return sent


def send_noted(
    messages: Sequence[EmailMultiAlternatives],
    *,
    kind: Mail.Kind,
    subject_id: int,
    tenant_id: int | None,
    now: dt.datetime,
    before: Sequence[str] = (),
) -> None:
    """Send the mails of another outbox, one to each reader, and note them.

    Raises what the mail server does, once all were tried. Whoever was reached `before`
    stays noted.
    """
    rows = Mail.objects.filter(kind=kind, subject_id=subject_id, number=0)
    if messages:
        begun = {
            "tenant_id": tenant_id,
            "title": messages[0].subject[:_TITLE_CHARS_MAX],
            "addresses": [*before],
            "refused": _readers_of(messages),
            "state": State.WAITING,
            "problem": "",
            # Its own outbox counts, and tries again.
            "due_at": None,
        }
        Mail.objects.update_or_create(
            kind=kind, subject_id=subject_id, number=0, defaults=begun
        )
    handed = hand_in(messages, note=lambda address: _note(rows, address))
    has_failed = handed.error is not None
    _note_rest(
        rows,
        handed,
        state=State.FAILED if has_failed else State.SENT,
        sent_at=None if has_failed else now,
    )
    if handed.error is not None:
        raise handed.error


def divided(
    *, kind: Mail.Kind, subject_id: int, readers: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return whom a mail of another outbox has reached, and which readers are left."""
    row = Mail.objects.filter(kind=kind, subject_id=subject_id, number=0).first()
    return _divided(row, readers) if row else ([], [*readers])


def _divided(row: Mail, readers: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return who was reached, and who is left: those first who were not tried last.

    Whoever makes the server hang up would else stand before all others each time.
    """
    before = _reached(row)
    left = [each for each in readers if each not in before]
    left.sort(key=lambda each: row.refused.index(each) if each in row.refused else -1)
    return before, left


def _reached(row: Mail) -> list[str]:
    """Return whom it has reached.

    Versions that noted nobody as refused noted those as addresses whom they tried.
    """
    is_noted = row.refused or row.problem in ("", BROKE_OFF, FORGOTTEN)
    return row.addresses if is_noted else []


def _readers_of(messages: Sequence[EmailMultiAlternatives]) -> list[str]:
    return [each for message in messages for each in message.to]


def _note(rows: QuerySet[Mail], address: str) -> None:
    """Note whom a mail reached; one that is forgotten meanwhile stays so."""
    reached = Value(address, output_field=models.EmailField())
    rows.filter(refused__contains=[address]).update(
        addresses=Func("addresses", reached, function="array_append"),
        refused=Func("refused", reached, function="array_remove"),
    )


def _note_rest(rows: QuerySet[Mail], handed: Handed, **said: object) -> None:
    """Note whom an attempt did not reach, and what else is to be said of it."""
    rows.update(refused=_still_noted(handed.refused), problem=handed.problem, **said)
    if handed.error is not None:
        # Or it would read as one of a version that noted nobody as refused.
        rows.filter(refused=[]).update(problem=FORGOTTEN)


def _still_noted(refused: Sequence[str]) -> Func:
    """Return these in their order, less those that were forgotten meanwhile."""
    return Func(
        Value([*refused], output_field=ArrayField(models.EmailField())),
        template="ARRAY(SELECT each FROM unnest(%(expressions)s::varchar[])"
        " WITH ORDINALITY AS tried (each, place)"
        " WHERE each = ANY (refused) ORDER BY place)",
    )


def send_again(*, mail: Mail, now: dt.datetime) -> Mail:
    """Let a mail go once more, composed anew; return the one that waits.

    One that failed goes to those alone whom it did not reach. Raises `Conflict` for one
    that waits, and for a kind whose link may not be sent again from here.
    """
    if mail.kind == Mail.Kind.UNCOLLECTED:
        raise Conflict("It tells of one attempt: the next one that fails is told, too.")
    if mail.kind not in _composers or mail.kind == Mail.Kind.ADDRESS:
        raise Conflict(
            f"A mail of the kind '{mail.get_kind_display()}' has a link of its own:"
            " send it again where it was asked for."
        )
    with atomic():
        same = Mail.objects.filter(kind=mail.kind, subject_id=mail.subject_id)
        # Two at once take turns; the later sees what the earlier wrote.
        same.select_for_update().order_by("number").first()
        last = same.order_by("-number").first()
        if last is None or last.state == State.WAITING:
            raise Conflict("It waits to be sent already.")
        row = Mail.objects.create(
            tenant_id=mail.tenant_id,
            kind=mail.kind,
            subject_id=mail.subject_id,
            number=last.number + 1,
            addresses=_reached(last) if last.state == State.FAILED else [],
            due_at=now,
        )
        tell(row, action="send_again", after={"mail": mail.pk})
    return row


def forget_mails(*, now: dt.datetime) -> int:
    """Delete what went long ago; return how many."""
    gone, _ = (
        Mail.objects.filter(created_at__lt=now - KEPT)
        .exclude(state=State.WAITING, due_at__isnull=False)
        .delete()
    )
    return gone


def end_broken_off(*, kind: Mail.Kind, subject_ids: Sequence[int]) -> None:
    """End mails of another outbox, which gave them up as their attempts broke off."""
    noted = Mail.objects.filter(kind=kind, subject_id__in=subject_ids, number=0)
    noted.filter(state=State.WAITING).update(state=State.FAILED, problem=BROKE_OFF)


def _give_up(now: dt.datetime) -> None:
    """End those whose last attempt broke off without a word."""
    Mail.objects.filter(
        state=State.WAITING, due_at__lte=now, attempts__gte=len(RETRY_AFTER)
    ).update(state=State.FAILED, due_at=None, problem=BROKE_OFF)


def _claimed(now: dt.datetime) -> Mail | None:
    """Take the mail that is due first, and put off its next attempt before this one."""
    with atomic():
        row = (
            Mail.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(state=State.WAITING, due_at__lte=now)
            .select_related("tenant")
            .order_by("due_at", "id")
            .first()
        )
        if row is not None:
            row.due_at = now + RETRY_AFTER[min(row.attempts, len(RETRY_AFTER) - 1)]
            row.attempts += 1
            row.save(update_fields=["due_at", "attempts"])
    return row


def _send(row: Mail, now: dt.datetime) -> bool:
    found = _composers[row.kind](row) if row.kind in _composers else None
    before, left = _divided(row, found.readers if found else ())
    if found is None or not found.readers:
        if before:
            _end(row, State.SENT, refused=[], problem="", sent_at=now)
        else:
            _end(row, State.NO_READER, refused=[], problem="")
        return False
    rows = Mail.objects.filter(pk=row.pk)
    # Not reached yet: what ends the process leaves them so.
    rows.update(refused=left, problem="")
    if before != row.addresses:
        rows.update(addresses=before)
    reference = f"{row.kind}-{row.subject_id}-{row.number}"
    handed = hand_in(
        messages_of(found.letter, readers=left, reference=reference),
        note=lambda address: _note(rows, address),
    )
    title = " ".join(found.letter.subject.split())[:_TITLE_CHARS_MAX]
    if handed.error is None:
        _note_rest(
            rows, handed, title=title, state=State.SENT, due_at=None, sent_at=now
        )
        return True
    # Not the error's text: a mail server's answer repeats the address.
    log.warning(
        "mail_not_sent",
        mail=row.pk,
        error=handed.problem,
        refused=len(handed.refused),
    )
    is_over = row.attempts >= len(RETRY_AFTER)
    state = State.FAILED if is_over else State.WAITING
    _note_rest(rows, handed, title=title, state=state)
    return False


def _end(row: Mail, state: State, **said: object) -> None:
    Mail.objects.filter(pk=row.pk).update(state=state, due_at=None, **said)
