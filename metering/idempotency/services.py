"""Credit what was tried again because of us, and forget keys that are out of use.

Failure: a credit and the mark that it was made are one transaction, and postings take
turns, so that neither a crash nor a second worker makes two of it. Owns: who is
credited; the correction itself is posted by `metering.usage.corrections`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from kit.contracts import EventKind, EventStatus
from kit.orm.atomic import atomic, cursor
from metering.idempotency.credits_sql import (
    JUDGED,
    PURGE_CLAIMS,
    PURGE_RETRIES,
    READY,
)
from metering.usage.corrections import (
    Correction,
    Request,
    post_corrections,
    standing_of,
    take_posting_turn,
)

KEPT = dt.timedelta(hours=24)
# For what ends, or is settled by a reaper, after its key has ended.
GRACE = dt.timedelta(hours=24)
CREDITS_MAX = 2
SOURCE = "idempotency"
BATCH = 500
PURGE_BATCH = 5000
# What ends an attempt and is our doing, not the client's.
OURS = (EventStatus.UNDELIVERED, EventStatus.ENGINE_ERROR, EventStatus.DRAINED)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ready:
    """One attempt that can be judged: it has ended, and so has a later one.

    `credited` is how many attempts of its key have been credited before.
    """

    tenant_id: int
    key_digest: bytes
    first_admitted_at: dt.datetime
    number: int
    request_id: UUID
    is_ours: bool
    credited: int

    @property
    def request(self) -> Request:
        """Return the request that the attempt was."""
        return Request(self.tenant_id, self.request_id)

    @property
    def key(self) -> tuple[int, bytes, dt.datetime]:
        """Return whose attempts count together."""
        return self.tenant_id, self.key_digest, self.first_admitted_at


def credit_retries(*, now: dt.datetime) -> int:
    """Credit the attempts that are due to be; return how many those were.

    Of each key the first two that ended by a fault of ours, of which something stands.
    """
    credited = 0
    # Looking costs nobody a turn.
    while _ready(limit=1):
        with atomic():
            take_posting_turn()
            ready = _ready(limit=BATCH)
            credited += _judge(ready, now=now)
    if credited:
        log.info("retries_credited", attempts=credited)
    return credited


def purge(*, now: dt.datetime) -> int:
    """Forget keys that have ended and retries that nothing follows; return how many."""
    return _purged(PURGE_CLAIMS, before=now - KEPT) + _purged(
        PURGE_RETRIES, before=now - KEPT - GRACE
    )


def _ready(*, limit: int) -> list[Ready]:
    with cursor() as session:
        session.execute(READY, {"ours": list(map(int, OURS)), "limit": limit})
        return [Ready(*row) for row in session.fetchall()]


def _judge(ready: Sequence[Ready], *, now: dt.datetime) -> int:
    """Post the credits of these attempts, and mark all of them as judged."""
    standing = standing_of([each.request for each in ready if each.is_ours])
    corrections: list[Correction] = []
    numbers: list[int | None] = []
    credited: dict[tuple[int, bytes, dt.datetime], int] = {}
    for each in ready:
        before = credited.get(each.key, each.credited)
        stands = standing.get(each.request)
        if not stands or before >= CREDITS_MAX:
            numbers.append(None)
            continue
        credited[each.key] = before + 1
        numbers.append(before + 1)
        corrections += [
            part.taken_back(kind=EventKind.RETRY, source=SOURCE) for part in stands
        ]
    post_corrections(corrections, poster=SOURCE)
    with cursor() as session:
        session.execute(
            JUDGED,
            {
                "now": now,
                "tenant_ids": [each.tenant_id for each in ready],
                "requests": [each.request_id for each in ready],
                "keys": [each.key_digest for each in ready],
                "firsts": [each.first_admitted_at for each in ready],
                "numbers": [each.number for each in ready],
                "credits": numbers,
            },
        )
    return sum(number is not None for number in numbers)


def _purged(statement: str, *, before: dt.datetime) -> int:
    """Delete in batches, each a transaction of its own."""
    deleted = 0
    while True:
        with cursor() as session:
            session.execute(statement, {"before": before, "limit": PURGE_BATCH})
            count: int = session.rowcount
        deleted += count
        if count < PURGE_BATCH:
            return deleted
