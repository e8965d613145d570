"""Who stands for which step of closing a month, since it was last open."""

import datetime as dt
from dataclasses import dataclass

from django.contrib.auth.models import User

from metering.economics.close_models import CloseSignature
from metering.ledger.lock_models import LockedMonth

Step = CloseSignature.Step


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature in force."""

    by_id: int
    by: str
    at: dt.datetime
    note: str
    figures_sha256: str


def signatures(*, month: dt.date) -> dict[Step, Signed]:
    """Return the last signature of each step that still counts.

    What was signed before a month was reopened counts no more.
    """
    rows = CloseSignature.objects.filter(month=month).order_by("id")
    reopened = LockedMonth.objects.filter(month=month, reopened_at__isnull=False)
    last = reopened.order_by("-reopened_at").values_list("reopened_at", flat=True)
    if (since := last.first()) is not None:
        rows = rows.filter(signed_at__gt=since)
    found = {Step(row.step): row for row in rows}
    names = dict(
        User.objects.filter(
            pk__in={row.signed_by_id for row in found.values()}
        ).values_list("pk", "username")
    )
    return {
        step: Signed(
            by_id=row.signed_by_id,
            by=names.get(row.signed_by_id, f"account {row.signed_by_id}"),
            at=row.signed_at,
            note=row.note,
            figures_sha256=row.figures_sha256,
        )
        for step, row in found.items()
    }
