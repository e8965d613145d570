"""Lock months of the books, in their order, and reopen the last one.

A locked month takes no posting any more: a trigger refuses what is dated inside, and
what comes in late of its use is booked when it comes in. Whoever posts holds the months
as they are, shared; whoever locks waits until nobody posts, and goes away if that does
not come about: so no posting that began before slips in behind.

Failure: a month that has not ended, or out of order, or already locked, is a
`Conflict`. Owns: locked months.
"""

import datetime as dt
import hashlib
import json
import time

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic, cursor
from kit.orm.saving import change, create
from metering.ledger.days import DAY_GRACE
from metering.ledger.lock_models import LockedMonth
from metering.ledger.months import booked_months, month_after, trial_balance

# The last of all zones ends a month so much after UTC does.
_LAST_ZONE = dt.timedelta(hours=12)
_TRIES, _BETWEEN_S = 20, 0.25
_TRY = "SELECT pg_try_advisory_xact_lock(hashtextextended('ledger_months', 0))"


def last_locked() -> dt.date | None:
    """Return the first day of the last locked month; None while none is."""
    held = LockedMonth.objects.filter(reopened_at=None)
    return held.order_by("-month").values_list("month", flat=True).first()


def open_from() -> dt.date | None:
    """Return the first day that is not locked; None while none is."""
    month = last_locked()
    return None if month is None else month_after(month)


def is_locked(month: dt.date) -> bool:
    """Tell whether a month is locked, itself or by a later one."""
    last = last_locked()
    return last is not None and month <= last


def lock_of(month: dt.date) -> LockedMonth | None:
    """Return the locking in force of a month; None while it is open."""
    return LockedMonth.objects.filter(month=month, reopened_at=None).first()


def figures_sha256(month: dt.date) -> str:
    """Return the hash of a month's trial balance: what it is signed and locked for."""
    rows = [
        [
            row.currency,
            str(row.account),
            str(row.opening_picos),
            str(row.debited_picos),
            str(row.credited_picos),
        ]
        for row in trial_balance(month=month)
    ]
    text = json.dumps([month.isoformat(), rows], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def ends_for_all_at(month: dt.date) -> dt.datetime:
    """Return from when on nothing of a month is expected any more, in any zone."""
    end = dt.datetime.combine(month_after(month), dt.time(), tzinfo=dt.UTC)
    return end + _LAST_ZONE + DAY_GRACE


def lock_month(
    *, month: dt.date, prepared_by_id: int, approved_by_id: int, now: dt.datetime
) -> LockedMonth:
    """Lock a month that has ended; the months before it are locked already.

    Raises `Conflict` where it cannot be, or while books are being written without end.
    """
    if prepared_by_id == approved_by_id:
        raise Conflict("Another person must approve than the one who prepared it.")
    with atomic():
        _hold_alone()
        _require_next(month, now)
        row = LockedMonth(
            month=month,
            prepared_by_id=prepared_by_id,
            approved_by_id=approved_by_id,
            locked_at=now,
            figures_sha256=figures_sha256(month),
        )
        create(row, action="lock")
    return row


def reopen_month(
    *, month: dt.date, reopened_by_id: int, reason: str, now: dt.datetime
) -> LockedMonth:
    """Open the last locked month again, for a reason.

    Raises `Conflict` for one that is not, `InvalidRequest` without a reason.
    """
    if not reason.strip():
        raise InvalidRequest("Say why the month is reopened.", param="reason")
    with atomic():
        _hold_alone()
        row = lock_of(month)
        if row is None:
            raise Conflict(f"{month:%Y-%m} is not locked.")
        if last_locked() != month:
            raise Conflict("A later month is locked: reopen that one first.")
        changes = {
            "reopened_by_id": reopened_by_id,
            "reopened_at": now,
            "reason": reason.strip(),
        }
        change(row, changes, action="reopen")
    return row


def _hold_alone() -> None:
    """Hold the months while nobody posts.

    Tried and not waited for: who posts next would wait behind, with rows in hand that
    those need who post now.
    """
    for _ in range(_TRIES):
        with cursor() as session:
            session.execute(_TRY)
            if session.fetchone()[0]:
                return
        time.sleep(_BETWEEN_S)
    raise Conflict("The books are being written: try again in a minute.")


def _require_next(month: dt.date, now: dt.datetime) -> None:
    if month.day != 1:
        raise InvalidRequest("A month is named by its first day.", param="month")
    if now < ends_for_all_at(month):
        raise Conflict(
            f"{month:%Y-%m} is over on {ends_for_all_at(month):%Y-%m-%d %H:%M} UTC, in"
            " every zone and with what may come late."
        )
    last = last_locked()
    if last is not None and month <= last:
        raise Conflict(f"{month:%Y-%m} is locked already.")
    booked = booked_months()
    before = month_after(month, -1)
    if booked is not None and booked[0] < month and last != before:
        raise Conflict(f"{before:%Y-%m} is not locked: lock months in their order.")
