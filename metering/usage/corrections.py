"""Post corrections of usage from Django: compensating events, numbered like any other.

Nothing that was metered is ever changed: a correction is an event of its own that takes
back or adds tokens of a request, under the request's instant. It is priced as every
event is, tokens times one linear price: the request's own, or, where usage is rated
anew, another one of the same model and book. So rollups, ledger and invoices prove it
as they prove a request.

A posting is one transaction: the epoch of its poster is opened, takes the events 1, 2,
3 ... and is closed. Postings take turns, because what may be taken back of a request is
what still stands of it. Failure: a request that is not there, and a correction that
would leave less than nothing, undo the whole posting; what was posted before under the
same kind and source is left out. Owns: events and epochs that no gateway writes.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from kit.contracts import EventKind, TokenCounts
from kit.errors import Conflict, NotFound
from kit.ids import unix_ms_of, uuid7
from kit.orm.atomic import atomic, cursor
from metering.usage.corrections_sql import (
    CLOSE,
    INSERT,
    LIST,
    NEGATIVE,
    OPEN,
    STANDING,
    TURN,
    UNKNOWN,
)

POSTER_CHARS_MAX = 200
_CLASSES = tuple(field.name for field in fields(TokenCounts))


@dataclass(frozen=True, slots=True)
class Request:
    """Names a request: its tenant and its id."""

    tenant_id: int
    request_id: UUID


@dataclass(frozen=True, slots=True)
class Correction:
    """What is taken back from a request, or added to it.

    `counts` are signed. `kind` and `source` say what it is for, once per request and
    price. Without a `price_id` it is priced as the request was.
    """

    tenant_id: int
    corrects: UUID
    kind: EventKind
    source: str
    counts: TokenCounts
    price_id: int | None = None

    @property
    def listed_source(self) -> str:
        """Return the source that it is listed under, once."""
        if self.price_id is None:
            return self.source
        return f"{self.source} at price {self.price_id}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands of a request under one price, all corrections included.

    `price_id` is None for the price that the request was rated by.
    """

    request: Request
    price_id: int | None
    counts: TokenCounts
    charge_picos: int

    def taken_back(self, *, kind: EventKind, source: str) -> Correction:
        """Return the correction that leaves nothing of this."""
        negative = {name: -getattr(self.counts, name) for name in _CLASSES}
        return Correction(
            tenant_id=self.request.tenant_id,
            corrects=self.request.request_id,
            kind=kind,
            source=source,
            counts=TokenCounts(**negative),
            price_id=self.price_id,
        )


def take_posting_turn() -> None:
    """Wait until no other posting is under way, up to the end of the transaction.

    Whoever makes corrections out of what stands takes it before looking.
    """
    with cursor() as session:
        session.execute(TURN)


def standing_of(requests: Collection[Request]) -> dict[Request, list[Standing]]:
    """Return what stands of each request, by price; what nets to nothing is left out.

    Requests that are not there are not in the answer.
    """
    if not requests:
        return {}
    found: dict[Request, list[Standing]] = defaultdict(list)
    with cursor() as session:
        session.execute(STANDING, _keys(requests))
        for tenant_id, request_id, price_id, *sums in session.fetchall():
            *counts, charge_picos = (int(each) for each in sums)
            request = Request(tenant_id, request_id)
            standing = Standing(request, price_id, TokenCounts(*counts), charge_picos)
            stands = found[request]
            if any(counts) or charge_picos:
                stands.append(standing)
    return dict(found)


def total_of(stands: Collection[Standing]) -> TokenCounts:
    """Return the tokens that stand under all prices together."""
    return TokenCounts(
        **{
            name: sum(getattr(each.counts, name) for each in stands)
            for name in _CLASSES
        }
    )


def post_corrections(corrections: Sequence[Correction], *, poster: str) -> int:
    """Post corrections of requests, each once; return how many of them are new.

    `poster` names whose epoch they are numbered in. Raises `NotFound` for a request
    that is not there, and `Conflict` for a correction that takes back more than stands.
    Idempotent per request, kind, source and price.
    """
    if not corrections:
        return 0
    _require_sound(corrections, poster)
    with atomic():
        take_posting_turn()
        _require_known(corrections)
        fresh = _listed(corrections)
        if fresh:
            _commit(fresh, poster)
            _require_nothing_negative(fresh)
        return len(fresh)


def _require_sound(corrections: Sequence[Correction], poster: str) -> None:
    if not 1 <= len(poster) <= POSTER_CHARS_MAX:
        raise ValueError(f"a poster has a name of 1 to {POSTER_CHARS_MAX} characters")
    if any(each.kind is EventKind.REQUEST for each in corrections):
        raise ValueError("a request is metered by a gateway, never posted")


def _require_known(corrections: Sequence[Correction]) -> None:
    with cursor() as session:
        session.execute(UNKNOWN, _keys(_requests(corrections)))
        unknown = session.fetchone()
    if unknown is not None:
        tenant_id, request_id = unknown
        raise NotFound(f"Tenant {tenant_id} has made no request {request_id}.")


def _listed(corrections: Sequence[Correction]) -> dict[UUID, Correction]:
    """List what is not listed yet; return it by the ids of the events to be."""
    made = {uuid7(unix_ms_of(each.corrects)): each for each in corrections}
    with cursor() as session:
        session.execute(
            LIST,
            {
                "tenant_ids": [each.tenant_id for each in made.values()],
                "corrects": [each.corrects for each in made.values()],
                "kinds": [int(each.kind) for each in made.values()],
                "sources": [each.listed_source for each in made.values()],
                "ids": list(made),
            },
        )
        return {request_id: made[request_id] for (request_id,) in session.fetchall()}


def _commit(fresh: dict[UUID, Correction], poster: str) -> None:
    """Write the events of one epoch: opened, numbered and closed."""
    counts = {
        name: [getattr(each.counts, name) for each in fresh.values()]
        for name in _CLASSES
    }
    with cursor() as session:
        session.execute(OPEN, {"poster": poster})
        (epoch_id,) = session.fetchone()
        session.execute(
            INSERT,
            {
                "epoch": epoch_id,
                "tenant_ids": [each.tenant_id for each in fresh.values()],
                "corrects": [each.corrects for each in fresh.values()],
                "kinds": [int(each.kind) for each in fresh.values()],
                "price_ids": [each.price_id for each in fresh.values()],
                "ids": list(fresh),
                **counts,
            },
        )
        if session.rowcount != len(fresh):
            # Rolls the posting back: a join must never lose a correction.
            raise ValueError("a correction names a price of another model or book")
        session.execute(CLOSE, {"epoch": epoch_id, "last": len(fresh)})


def _require_nothing_negative(fresh: dict[UUID, Correction]) -> None:
    with cursor() as session:
        session.execute(NEGATIVE, _keys(_requests(list(fresh.values()))))
        negative = session.fetchone()
    if negative is not None:
        raise Conflict(
            f"More would be taken back than stands of the request {negative[0]}."
        )


def _requests(corrections: Sequence[Correction]) -> list[Request]:
    return [Request(each.tenant_id, each.corrects) for each in corrections]


def _keys(requests: Collection[Request]) -> dict[str, list[Any]]:
    unique = set(requests)
    return {
        "tenant_ids": [each.tenant_id for each in unique],
        "request_ids": [each.request_id for each in unique],
    }
