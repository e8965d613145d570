"""Attempts of keys as gateways make them: claimed, run and ended on a real database."""

import datetime as dt
import hashlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

import psycopg

from kit.contracts import EventStatus, TokenCounts
from kit.ids import uuid7
from kit.orm.roles import as_operator
from metering.idempotency.models import Retry
from metering.usage.models import Epoch, Event
from metering.usage.selectors import database_now
from tests.databases import Database
from tests.factories.pricing import make_price
from tests.factories.usage import Use, commit, make_epoch, make_use

COUNTS = TokenCounts(input_tokens=100, cached_input_tokens=20, output_tokens=50)
_UNIX = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_CLAIM = "SELECT idempotency_claim(%s, %s, %s, %s, %s, %s)"
_FORGET = "SELECT idempotency_forget(%s, %s, %s)"
_numbers = itertools.count(1)


def digest(text: str) -> bytes:
    """Stand in for what a gateway makes of a key or a body."""
    return hashlib.sha256(text.encode()).digest()


@dataclass(slots=True)
class World:
    """One tenant, a gateway's epochs, and a gateway's connection."""

    connection: psycopg.Connection[tuple[str]]
    use: Use
    now: dt.datetime
    epoch: Epoch = field(init=False)

    def __post_init__(self) -> None:
        """Start a gateway."""
        self.epoch = make_epoch(started_at=self.now)

    def pass_time(self, by: dt.timedelta) -> None:
        """Move the instants of what is admitted from now on."""
        self.now += by

    def claim(
        self, key: str, body: str = "", *, request_id: UUID | None = None
    ) -> tuple[str, UUID]:
        """Claim a key for a request that is admitted now."""
        since = self.now - _UNIX
        request_id = request_id or uuid7(since // dt.timedelta(milliseconds=1))
        row = self.connection.execute(
            _CLAIM,
            [
                self.use.tenant_id,
                digest(key),
                digest(body),
                request_id,
                since // dt.timedelta(microseconds=1),
                self.epoch.pk,
            ],
        ).fetchone()
        assert row is not None
        return row[0], request_id

    def forget(self, key: str, request_id: UUID) -> None:
        """Say that no engine took the request."""
        self.connection.execute(_FORGET, [self.use.tenant_id, digest(key), request_id])

    def end(
        self,
        request_id: UUID,
        status: EventStatus = EventStatus.OK,
        counts: TokenCounts = COUNTS,
        *,
        epoch: Epoch | None = None,
    ) -> None:
        """Commit the event of a request."""
        use = replace(
            self.use,
            request_id=request_id,
            status=status,
            counts=counts,
            admitted_at=self.now,
        )
        commit(epoch or self.epoch, use)

    def die(self) -> Epoch:
        """Close the gateway's epoch as the reaper does, and start it anew."""
        left = self.epoch
        with as_operator():
            Epoch.objects.filter(pk=left.pk).update(
                state=Epoch.State.CLOSED, closed_at=self.now
            )
        self.epoch = make_epoch(started_at=self.now)
        return left

    def corrections(self) -> list[Event]:
        """Return the corrections of the tenant's requests."""
        with as_operator():
            mine = Event.objects.filter(tenant_id=self.use.tenant_id)
            return list(mine.exclude(corrects=None).order_by("epoch_id", "seq"))

    def charged(self) -> int:
        """Return what the tenant owes for all of it."""
        with as_operator():
            mine = Event.objects.filter(tenant_id=self.use.tenant_id)
            return sum(mine.values_list("charge_picos", flat=True))

    def credits(self) -> dict[UUID, int]:
        """Return which credit each credited attempt got."""
        with as_operator():
            mine = Retry.objects.filter(tenant_id=self.use.tenant_id)
            return {
                each.request_id: each.credit
                for each in mine.exclude(credit=None).order_by("number")
                if each.credit is not None
            }


@contextmanager
def a_world(database: Database) -> Iterator[World]:
    """Make a tenant and a gateway in a committed database."""
    with psycopg.connect(database.url_for("gateway"), autocommit=True) as connection:
        with as_operator():
            now = database_now()
            price = make_price(model=f"model-{next(_numbers)}")
            use = make_use(price=price, admitted_at=now)
        yield World(connection, use, now)
