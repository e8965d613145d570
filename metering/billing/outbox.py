"""What is still to be done at providers: how much, since when, and how it goes on.

A call is undone while its last attempt is neither known to have succeeded nor dropped.
Parked ones wait for a person, who lets them go on once the cause is mended.

Failure: what is not the last attempt of its call, or waits for nobody, is a `Conflict`.
"""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Exists, F, Min, OuterRef, Q, QuerySet

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.audited import tell
from metering.billing.models import Invoice, ProviderOperation
from metering.billing.operations import Call

State = ProviderOperation.State
_IN_DOUBT = (State.INTENT, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is undone, and since when."""

    in_doubt: int
    refused: int
    parked: int
    oldest_at: dt.datetime | None

    @property
    def undone(self) -> int:
        """Return how many calls are undone."""
        return self.in_doubt + self.refused + self.parked

    def age(self, *, now: dt.datetime) -> dt.timedelta:
        """Return how long the oldest has been undone."""
        return now - self.oldest_at if self.oldest_at else dt.timedelta()


def undone() -> QuerySet[ProviderOperation]:
    """Return the last attempts of the calls that are undone."""
    later = ProviderOperation.objects.filter(
        provider=OuterRef("provider"),
        account=OuterRef("account"),
        name=OuterRef("name"),
        subject=OuterRef("subject"),
        attempt__gt=OuterRef("attempt"),
    )
    return ProviderOperation.objects.exclude(
        state__in=(State.SUCCEEDED, State.DROPPED)
    ).filter(~Q(state=State.FAILED) | ~Exists(later))


def backlog(*, account: str | None = None) -> Backlog:
    """Count what is undone, of one account or of all."""
    rows = undone()
    if account is not None:
        rows = rows.filter(account=account)
    return Backlog(
        **rows.aggregate(
            in_doubt=Count("id", filter=Q(state__in=_IN_DOUBT)),
            refused=Count("id", filter=Q(state=State.FAILED)),
            parked=Count("id", filter=Q(state=State.PARKED)),
            oldest_at=Min(F("created_at")),
        )
    )


def let_go_on(*, operation: ProviderOperation) -> ProviderOperation:
    """Let a call that was refused be made again at once, under a new key.

    Its invoice is tried with the next scan. Raises `Conflict` for what is done, is in
    doubt, or was attempted anew since; letting it go on twice is letting it go on once.
    """
    with atomic():
        row = ProviderOperation.objects.select_for_update(no_key=True).get(
            pk=operation.pk
        )
        if row.state not in {State.FAILED, State.PARKED}:
            raise Conflict(f"This call is {row.state}: it waits for nobody.")
        if not undone().filter(pk=row.pk).exists():
            raise Conflict("This call was attempted anew: look at its last attempt.")
        if row.state == State.PARKED or row.refusals:
            before = {"state": row.state, "refusals": row.refusals}
            row.state, row.refusals = State.FAILED, 0
            row.save(update_fields=["state", "refusals"])
            tell(
                row,
                action="let_go_on",
                before=before,
                after={"state": row.state, "refusals": row.refusals},
            )
        if row.invoice_id is not None:
            Invoice.objects.filter(pk=row.invoice_id).update(try_after=None, tries=0)
    return row


def drop(invoice: Invoice, *, about: str, now: dt.datetime) -> None:
    """Give up what was still to be done to an object that is gone there."""
    rows = undone().filter(invoice=invoice, subject__startswith=about)
    ProviderOperation.objects.filter(pk__in=rows.values("pk")).update(
        state=State.DROPPED, finished_at=now
    )


def give_up_all(*, provider: str, account: str, subject: str, now: dt.datetime) -> None:
    """Make no call about a thing any more: it came to an end otherwise."""
    rows = undone().filter(provider=provider, account=account, subject=subject)
    ProviderOperation.objects.filter(pk__in=rows.values("pk")).update(
        state=State.DROPPED, finished_at=now
    )


def give_up(call: Call, *, now: dt.datetime) -> None:
    """Make a call no more that would only be refused again."""
    rows = undone().filter(
        provider=call.provider,
        account=call.account,
        name=call.name,
        subject=call.subject,
    )
    ProviderOperation.objects.filter(pk__in=rows.values("pk")).update(
        state=State.DROPPED, finished_at=now
    )
