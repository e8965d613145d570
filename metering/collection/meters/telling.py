"""Tell the meters of each account what they are due, tenant by tenant.

One process at a time talks to the provider about a tenant, so that no meter gets two
calls of a customer at once; several tenants are told of at once.

Failure: what cannot be told says why, waits, and holds up no other tenant. A meter that
is missing, or does not add up, is said once for its account, and what is meant for it
waits. An account that gives no answer again and again is left alone until the next
scan. Owns: `MeterProgress`, with `noting`.
"""

import datetime as dt
import itertools
import threading
import time
from collections.abc import Iterable, Iterator
from operator import attrgetter

import structlog
from django.conf import settings
from django.db.models import Q, QuerySet

from metering.billing.accounts import Account
from metering.billing.at_once import each_at_once
from metering.billing.driving import sole_driver
from metering.billing.operations import CallRefused, NotYet, OutcomeUnknown
from metering.billing.providers.stripe.customers import PROVIDER, customer_of
from metering.collection.meters.asking import event_names, told_accounts
from metering.collection.meters.sending import (
    LOOK_AGAIN,
    TOLD_WITHIN,
    TOO_OLD,
    TRY_AGAIN,
    Line,
    send,
    take_back,
    wait,
)
from metering.collection.models import MeterEvent, MeterProgress
from metering.collection.models.following import TEXT_CHARS_MAX
from metering.collection.providing import client_of

log = structlog.get_logger(__name__)

SCAN_ROWS = 1000
# A scan's `now` gets old; the next one goes on where this one stopped.
SCAN_S_MAX = 240
SILENCES_MAX = 16
GONE = "No active meter was there for it."

State = MeterEvent.State


def tell_use(*, now: dt.datetime) -> int:
    """Tell every account what is due; return how many events were told.

    Must run outside a transaction.
    """
    return sum(
        _Scan(account, now).run()
        for account in told_accounts()
        if _due(account, now).exists()
    )


class _Scan:
    """One look at all that is due to the meters of an account."""

    def __init__(self, account: Account, now: dt.datetime) -> None:
        self._account, self._now = account, now
        self._client = client_of(account.name)
        self._ends_s = time.monotonic() + SCAN_S_MAX
        self._lock = threading.Lock()
        self._told = self._silences = 0

    def run(self) -> int:
        """Tell what is due; return how many events were told."""
        try:
            found = self._client.meters.active()
        except (CallRefused, OutcomeUnknown) as error:
            self._say(f"Its meters could not be read: {error}")
            return 0
        self._meters = {name: each for name, each in found.items() if each.adds_up}
        # Those of before the settings changed, too.
        missing = sorted(set(event_names().values()) - self._meters.keys())
        self._say(f"No active meter sums up {', '.join(missing)}." if missing else "")
        self._park_orphans()
        for page in self._pages():
            each_at_once(
                page,
                self._tell_tenants,
                at_once=settings.STRIPE_CONCURRENCY,
                most=len(page),
            )
        return self._told

    def _park_orphans(self) -> None:
        """Park what no meter takes any more, and none was there to tell it to."""
        orphans = (
            _due(self._account, self._now)
            .filter(hour__lt=self._now - TOLD_WITHIN)
            .exclude(event_name__in=self._meters)
        )
        # What was being taken back stays there, as far as anybody knows.
        orphans.filter(state=State.CANCELLING).update(
            state=State.TOLD, problem=f"It was not taken back: {GONE}", sent_at=None
        )
        orphans.update(state=State.PARKED, problem=f"{TOO_OLD} {GONE}")

    def _pages(self) -> Iterator[list[list[MeterEvent]]]:
        """Yield what is due, page by page, by tenant, each hour's in its order."""
        due = _due(self._account, self._now).filter(event_name__in=self._meters)
        after = Q()
        while not self._is_over():
            rows = list(
                due.filter(after)
                .select_related("tenant")
                .order_by("try_at", "pk")[:SCAN_ROWS]
            )
            if not rows:
                return
            last = rows[-1]
            after = Q(try_at__gt=last.try_at) | Q(try_at=last.try_at, pk__gt=last.pk)
            rows.sort(key=attrgetter("tenant_id", "hour", "seq"))
            yield [
                list(group)
                for _, group in itertools.groupby(rows, attrgetter("tenant_id"))
            ]

    def _tell_tenants(self, tenants: Iterable[list[MeterEvent]]) -> None:
        for rows in tenants:
            if self._is_over():
                return
            with sole_driver(provider=PROVIDER, tenant_id=rows[0].tenant_id) as alone:
                if alone:
                    self._tell_tenant(rows)

    def _tell_tenant(self, rows: list[MeterEvent]) -> None:
        try:
            customer = customer_of(
                self._client,
                account=self._account.name,
                tenant=rows[0].tenant,
                now=self._now,
            )
            line = Line(self._client, self._meters, customer, self._now)
            for row in rows:
                if self._is_over():
                    return
                self._tell(row, line)
        except (OutcomeUnknown, NotYet) as delay:
            with self._lock:
                self._silences += isinstance(delay, OutcomeUnknown)
            self._put_off(rows, str(delay), TRY_AGAIN)
        except CallRefused as refusal:
            self._put_off(rows, f"It has no customer there: {refusal}", LOOK_AGAIN)
        except Exception:
            # A bug met by one tenant: the others are still told of.
            log.exception("use_not_told", tenant=rows[0].tenant_id)
            self._put_off(rows, "It could not be told: see the log.", LOOK_AGAIN)

    def _tell(self, row: MeterEvent, line: Line) -> None:
        row.refresh_from_db()
        if row.state == State.CANCELLING:
            take_back(row, line)
        elif row.state == State.WAITING:
            is_told = send(row, line)
            with self._lock:
                self._told += is_told
        with self._lock:
            self._silences = 0

    def _put_off(
        self, rows: list[MeterEvent], problem: str, delay: dt.timedelta
    ) -> None:
        for row in rows:
            row.refresh_from_db(fields=["state"])
            if row.state in {State.WAITING, State.CANCELLING}:
                wait(row, problem, self._now + delay)

    def _is_over(self) -> bool:
        with self._lock:
            return self._silences >= SILENCES_MAX or time.monotonic() >= self._ends_s

    def _say(self, problem: str) -> None:
        MeterProgress.objects.filter(account=self._account.name).exclude(
            problem=problem
        ).update(problem=problem[:TEXT_CHARS_MAX])


def _due(account: Account, now: dt.datetime) -> QuerySet[MeterEvent]:
    return MeterEvent.objects.filter(
        account=account.name,
        state__in=(State.WAITING, State.CANCELLING),
        try_at__lte=now,
    )
