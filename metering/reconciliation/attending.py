"""What operators do with cases: take one, hand it back, explain it.

Each is told to the audit. Failure: a case that resolved by itself cannot be explained,
and there is no explanation without words; both are refused. Nothing here changes what a
run found.
"""

import datetime as dt

from django.contrib.auth.models import User

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.saving import change
from metering.reconciliation.models import Case


def take_case(*, case: Case, owner: User | None) -> Case:
    """Give a case to an operator, or to nobody. Idempotent.

    Raises `InvalidRequest` for somebody who is no operator.
    """
    if owner is not None and not (owner.is_active and owner.is_staff):
        raise InvalidRequest("Only an operator looks after a case.", param="owner")
    with atomic():
        row = Case.objects.select_for_update().get(pk=case.pk)
        change(row, {"owner": owner}, action="take" if owner else "release")
    return row


def explain_case(*, case: Case, note: str, now: dt.datetime) -> Case:
    """Say why a case is as it is: it is told of no more until it grows by a factor.

    Explained again, the later words stand. Raises `Conflict` for one that is resolved,
    `InvalidRequest` without words.
    """
    words = note.strip()
    if not words:
        raise InvalidRequest("Say why, for those who come later.", param="note")
    with atomic():
        row = Case.objects.select_for_update().get(pk=case.pk)
        if row.state == Case.State.RESOLVED:
            raise Conflict("This case has resolved by itself.")
        change(
            row,
            {
                "state": Case.State.EXPLAINED,
                "note": words,
                "explained_at": now,
                "explained_amount": row.amount,
            },
            action="explain",
        )
    return row


def reopen_case(*, case: Case) -> Case:
    """Take an explanation back: the case is open. Idempotent.

    Raises `Conflict` for one that is resolved.
    """
    with atomic():
        row = Case.objects.select_for_update().get(pk=case.pk)
        if row.state == Case.State.RESOLVED:
            raise Conflict("This case has resolved by itself.")
        change(row, {"state": Case.State.OPEN}, action="reopen")
    return row
