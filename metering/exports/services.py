"""Writes of exports: ask for one, make those that wait, throw old ones away.

Failure: a file is made in one transaction, so there is all of it or nothing; killed
anywhere, it is made again, three times at most: what ends its worker would end the next
one too. One that fails, or takes longer than a task may, says so and holds up no other.
"""

import datetime as dt
import time
import zlib
from collections.abc import Callable

import structlog
from django.conf import settings

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.audited import tell, values
from metering.exports.models import Export, ExportPart, Form, Subject
from metering.exports.wanted import Wanted
from metering.exports.writing import Written, blocks
from metering.usage.services import roll_up_proven
from tenants.models import Tenant

log = structlog.get_logger(__name__)

WAITING_MAX = 10
ATTEMPTS_MAX = 3
# Together less than the fifteen minutes after which Celery kills a task.
_TAKING_UP_S = 120.0
MAKING_S_MAX = 600.0
_SHORTER = " Ask for fewer days at a time."
State = Export.State

Seconds = Callable[[], float]


class TooLongError(Exception):
    """A file took longer than a worker may spend on one."""


def ask_for_export(
    *,
    subject: str,
    form: str,
    first_date: dt.date,
    end_date: dt.date,
    tenant: Tenant | None = None,
) -> Export:
    """Ask for a file of a tenant, or of all; the worker makes it.

    Raises `InvalidRequest` for dates that make no sense, `Conflict` while as many are
    waited for as may be.
    """
    wanted = Wanted(
        subject=Subject(subject),
        form=Form(form),
        first_date=first_date,
        end_date=end_date,
        tenant_id=None if tenant is None else tenant.pk,
    )
    with atomic():
        waiting = Export.objects.filter(tenant=tenant, state=State.WAITING)
        if waiting.count() >= WAITING_MAX:
            raise Conflict(
                f"{WAITING_MAX} exports are being made: wait until one is ready."
            )
        row = Export.objects.create(
            tenant=tenant,
            subject=wanted.subject,
            form=wanted.form,
            first_date=first_date,
            end_date=end_date,
        )
        tell(row, action="create", after=values(row))
    return row


def make_exports(*, now: dt.datetime, seconds: Seconds = time.monotonic) -> int:
    """Make files that wait, the oldest first; return how many were made.

    After two minutes no other is begun: the next scan goes on.
    """
    made, began = 0, seconds()
    for pk in list(
        Export.objects.filter(state=State.WAITING)
        .order_by("pk")
        .values_list("pk", flat=True)
    ):
        if seconds() - began > _TAKING_UP_S:
            break
        if not _take(pk):
            continue
        try:
            made += _make(pk, now, seconds)
        except TooLongError:
            _fail(pk, f"The file takes too long to make.{_SHORTER}")
        except Exception:
            # A bug met by one file: the others are still made.
            log.exception("export_not_made", export_id=pk)
            _fail(pk, "The file could not be made. Ask for it again, or ask us.")
    return made


def throw_away_expired(*, now: dt.datetime) -> int:
    """Throw away the content of files whose time is over; return of how many."""
    gone = 0
    for pk in list(
        Export.objects.filter(state=State.READY, expires_at__lte=now)
        .order_by("pk")
        .values_list("pk", flat=True)
    ):
        with atomic():
            Export.objects.filter(pk=pk).update(state=State.EXPIRED)
            ExportPart.objects.filter(export_id=pk).delete()
        gone += 1
    return gone


def wanted_of(row: Export) -> Wanted:
    """Return what an export was asked to hold."""
    return Wanted(
        subject=Subject(row.subject),
        form=Form(row.form),
        first_date=row.first_date,
        end_date=row.end_date,
        tenant_id=row.tenant_id,
    )


def _take(pk: int) -> bool:
    """Count an attempt before it is made; False for one that is not to be made now."""
    with atomic():
        row = _waiting(pk)
        if row is None:
            return False
        if row.attempts < ATTEMPTS_MAX:
            row.attempts += 1
            row.save(update_fields=["attempts"])
            return True
    log.error("export_given_up", export_id=pk, attempts=row.attempts)
    _fail(pk, f"Making the file was cut off {row.attempts} times.{_SHORTER}")
    return False


def _waiting(pk: int) -> Export | None:
    """Lock an export that waits; None where another worker has it in hand, or had."""
    rows = Export.objects.select_for_update(skip_locked=True)
    return rows.filter(pk=pk, state=State.WAITING).first()


def _fail(pk: int, problem: str) -> None:
    Export.objects.filter(pk=pk, state=State.WAITING).update(
        state=State.FAILED, problem=problem
    )


def _make(pk: int, now: dt.datetime, seconds: Seconds) -> bool:
    began = seconds()
    complete_to = roll_up_proven(now=now)
    with atomic():
        row = _waiting(pk)
        if row is None:
            return False
        written = Written()
        for number, block in enumerate(blocks(wanted_of(row), written)):
            if seconds() - began > MAKING_S_MAX:
                raise TooLongError
            ExportPart.objects.create(
                export=row,
                tenant_id=row.tenant_id,
                number=number,
                content=zlib.compress(block),
            )
        row.row_count = written.row_count
        row.byte_count = written.byte_count
        row.sha256 = written.sha256
        row.complete_to = complete_to
        row.made_at = now
        row.expires_at = now + dt.timedelta(days=settings.EXPORT_DAYS_KEPT)
        row.state = State.READY
        row.save()
    return True
