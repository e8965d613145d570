"""Writes of closing: sign a step, check the month anew, lock it, reopen it.

Failure: a signature or a lock whose steps are not done is a `Conflict` that names them.
Owns: signatures.
"""

import datetime as dt

from django.contrib.auth.models import User

from kit.errors import Conflict, PermissionDenied
from kit.orm.atomic import atomic
from kit.orm.saving import create
from metering.economics.close_models import CloseSignature
from metering.economics.closing.checklist import Checklist, State, checklist
from metering.economics.closing.exceptions import exceptions, listed_sha256
from metering.jobs import services as jobs
from metering.jobs.models import Job
from metering.ledger.lock_models import LockedMonth
from metering.ledger.locking import (
    figures_sha256,
    is_locked,
    lock_month,
    reopen_month,
)
from metering.ledger.services import hold_months

CHECK_MONTH = "economics.check_month"
APPROVE = "economics.approve_close"
SIGN = "economics.add_closesignature"
Step = CloseSignature.Step


def sign(
    *, month: dt.date, step: Step, by: User, now: dt.datetime, note: str = ""
) -> CloseSignature:
    """Stand for a step; of the report, for the figures as they are now.

    Raises `Conflict` for a locked month, and where what a report rests on is not done.
    """
    _require(by, SIGN)
    with atomic():
        hold_months()
        if is_locked(month):
            raise Conflict(f"{month:%Y-%m} is locked.")
        found = checklist(month=month, now=now)
        if step is Step.REPORT:
            _require_done(found, "report")
        else:
            _require_ready(found, step)
        row = CloseSignature(
            month=month,
            step=step,
            signed_by_id=by.pk,
            signed_at=now,
            note=note.strip(),
            figures_sha256=_signed_sha256(month, step),
        )
        create(row, action="sign")
    return row


def lock(*, month: dt.date, by: User, now: dt.datetime) -> LockedMonth:
    """Approve a month that another person has prepared, and lock it.

    Raises `PermissionDenied` for who may not approve, `Conflict` where a step is not
    done, the figures are not those that were signed, or the same person signed them.
    """
    _require(by, APPROVE)
    with atomic():
        found = checklist(month=month, now=now)
        _require_done(found, "lock")
        (report,) = (step for step in found.steps if step.name == "report")
        if report.signed is None:
            raise Conflict("Nobody has signed the month's figures.")
        if report.signed.by_id == by.pk:
            raise Conflict(
                "You have signed this month's figures: another person must approve."
            )
        row = lock_month(
            month=month,
            prepared_by_id=report.signed.by_id,
            approved_by_id=by.pk,
            now=now,
        )
        # Nobody posts any more: what was looked at above is what is locked.
        if row.figures_sha256 != report.signed.figures_sha256:
            raise Conflict("The books have changed meanwhile: sign the figures again.")
    return row


def reopen(*, month: dt.date, by: User, reason: str, now: dt.datetime) -> LockedMonth:
    """Open the last locked month again; what was signed of it counts no more."""
    _require(by, APPROVE)
    return reopen_month(month=month, reopened_by_id=by.pk, reason=reason, now=now)


def check_month(*, month: dt.date, by: User) -> Job:
    """Ask for the month to be worked out and its books to be checked anew."""
    _require(by, SIGN)
    if is_locked(month):
        raise Conflict(f"{month:%Y-%m} is locked.")
    name = f"{month:%Y-%m}"
    return jobs.ask(
        kind=CHECK_MONTH,
        subject=name,
        title=f"Check {month:%B %Y}",
        asked={"month": name},
    )


def _signed_sha256(month: dt.date, step: Step) -> str:
    """Return what a signature is given for: it counts as long as that stays so."""
    match step:
        case Step.REPORT:
            return figures_sha256(month)
        case Step.EXCEPTIONS:
            return listed_sha256(exceptions(month=month))
        case _:
            return ""


def _require(by: User, permission: str) -> None:
    if not by.has_perm(permission):
        raise PermissionDenied(f"Your account needs the permission {permission}.")


def _require_done(found: Checklist, name: str) -> None:
    ahead = found.before(name)
    if ahead:
        listed = ", ".join(f"{step.number} ({step.title})" for step in ahead)
        raise Conflict(f"Not done yet: step {listed}.")


def _require_ready(found: Checklist, signed: Step) -> None:
    """Refuse a signature given before there is what it stands for."""
    (step,) = (each for each in found.steps if each.signature is signed)
    if step.state is State.WRONG:
        raise Conflict(f"The step '{signed.label}' is wrong: mend that first.")
    if not step.is_ready:
        raise Conflict(
            f"Nobody can sign '{signed.label}' yet: step {step.number} is not done, or"
            f" the month is not over; it is on {found.over_at:%Y-%m-%d %H:%M} UTC."
        )
