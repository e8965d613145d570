"""Note what is to be told of hours that are over: what they have beyond what was told.

Each event is a row before anything is sent. An hour that gained something is told of
that alone, under the next number, so no event ever changes. Of an hour that lost
something, what was told within the last day is taken back; what cannot be taken back is
shown as a difference, and nothing is sent for it.

Failure: a statement a day, made by any number at once, and killed anywhere. Hours that
are just being built anew are taken for no loss. Owns: `MeterDifference`, and with
`telling` `MeterEvent` and `MeterProgress`.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kit.orm.atomic import atomic, cursor
from metering.billing.accounts import Account
from metering.collection.meters.asking import event_names, told_accounts
from metering.collection.meters.noting_sql import NOTE
from metering.collection.meters.taking import TakenSpan, taken_in
from metering.collection.models import MeterDifference, MeterEvent, MeterProgress
from metering.collection.models.meters import HOUR

# What comes late does so within a day, nearly always: see `metering.usage.rollup`.
RECENT = dt.timedelta(days=3)
AT_ONCE = dt.timedelta(days=1)
# Stripe takes 35 days; the last hours of it go to what is on its way.
TAKEN = dt.timedelta(days=34, hours=12)
# Stripe cancels for a day; an hour is left for the call.
CANCELLED_WITHIN = dt.timedelta(hours=23)
KEPT_FOR = dt.timedelta(days=40)
PURGED_AT_ONCE = 20_000

State = MeterEvent.State


@dataclass(frozen=True, slots=True)
class _Over:
    """An hour of which more was told than was used."""

    tenant_id: int
    hour: dt.datetime
    counted: str
    told: int
    used: int

    @property
    def key(self) -> tuple[int, dt.datetime, str]:
        """Return which hour it is, of what and whose."""
        return self.tenant_id, self.hour, self.counted


def note_use(*, now: dt.datetime, reach: dt.timedelta = RECENT) -> int:
    """Note what is to be told of the hours within reach; return how many events."""
    return sum(_note(account, reach, now=now) for account in told_accounts())


def forget_use(*, now: dt.datetime) -> int:
    """Delete what no meter takes any more, some at a time; return how many events."""
    last = now - KEPT_FOR
    MeterDifference.objects.filter(hour__lt=last).delete()
    old = MeterEvent.objects.filter(hour__lt=last).order_by("hour")[:PURGED_AT_ONCE]
    deleted, _ = MeterEvent.objects.filter(pk__in=old.values("pk")).delete()
    return deleted


def hour_of(moment: dt.datetime) -> dt.datetime:
    """Return the beginning of the hour of UTC that a moment lies in."""
    return moment.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


def _note(account: Account, reach: dt.timedelta, *, now: dt.datetime) -> int:
    until = hour_of(now)
    # What was used before it was switched on was billed otherwise.
    progress, _ = MeterProgress.objects.get_or_create(
        account=account.name, defaults={"told_from": until}
    )
    # The first hour must lie in reach as a whole.
    since = max(progress.told_from, hour_of(now - reach) + HOUR)
    noted = 0
    # The latest first, each in a transaction of its own: what was done stays done.
    for span in _in_days(taken_in(account, progress, until=until), since):
        with atomic():
            noted += _write(account, span, now=now)
    if since < until:
        MeterProgress.objects.filter(pk=progress.pk).update(noted_to=until)
    return noted


def _in_days(spans: Iterable[TakenSpan], since: dt.datetime) -> Iterator[TakenSpan]:
    """Yield what of these spans is not before `since`, a day at most at a time."""
    for span in spans:
        end = span.until
        while end > max(since, span.since):
            start = max(since, span.since, end - AT_ONCE)
            yield TakenSpan(span.currencies, start, end)
            end = start


def _write(account: Account, span: TakenSpan, *, now: dt.datetime) -> int:
    """Note what a span has more, take back what it has less; return what is noted."""
    names = event_names()
    asked: dict[str, Any] = {
        "account": account.name,
        "since": span.since,
        "until": span.until,
        "now": now,
        "counted": list(names),
        "event_names": list(names.values()),
        "currencies": list(span.currencies.codes),
        "takes_these": span.currencies.takes_these,
    }
    with cursor() as session:
        session.execute(NOTE, asked)
        rows = session.fetchall()
    noted, is_lagging, *_ = rows[0]
    if not is_lagging:
        over = [_Over(*more) for _, _, *more in rows if more[0] is not None]
        left = [each for each in over if _undo(account, each, now=now)]
        _show(account, left, asked)
    return int(noted)


def _undo(account: Account, over: _Over, *, now: dt.datetime) -> bool:
    """Take back what can be, the latest first; tell whether some of it cannot."""
    rows = MeterEvent.objects.select_for_update().filter(
        account=account.name,
        tenant_id=over.tenant_id,
        hour=over.hour,
        counted=over.counted,
        state__in=(State.WAITING, State.TOLD, State.PARKED),
    )
    left = over.told - over.used
    for row in rows.order_by("-seq"):
        if left <= 0:
            break
        if row.is_surely_untold:
            row.state = State.DROPPED
        elif (
            row.state == State.TOLD
            and row.told_at
            and now - row.told_at < CANCELLED_WITHIN
        ):
            row.state, row.try_at, row.refusals = State.CANCELLING, now, 0
        else:
            # Once it is decided whether its meter has it, another look finds it.
            continue
        row.save(update_fields=["state", "try_at", "refusals"])
        left -= row.quantity
    return left > 0


def _show(account: Account, left: list[_Over], asked: dict[str, Any]) -> None:
    """Keep a row of each difference that there is now, and of no other."""
    known = MeterDifference.objects.filter(
        account=account.name, hour__gte=asked["since"], hour__lt=asked["until"]
    )
    still = {each.key for each in left}
    gone = [
        row.pk for row in known if (row.tenant_id, row.hour, row.counted) not in still
    ]
    MeterDifference.objects.filter(pk__in=gone).delete()
    MeterDifference.objects.bulk_create(
        (
            MeterDifference(
                account=account.name,
                tenant_id=each.tenant_id,
                hour=each.hour,
                counted=each.counted,
                told=each.told,
                used=each.used,
                since=asked["now"],
            )
            for each in left
        ),
        update_conflicts=True,
        unique_fields=("account", "tenant", "hour", "counted"),
        update_fields=("told", "used"),
    )
