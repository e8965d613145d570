"""The request log: what is known of single requests, nothing of their content.

A page is read along the ids of one tenant's events, newest first: in the order of their
admission. Looking for something rare among millions would read them all, so a page
looks at no more than `SCANNED_MAX` events: it may come out short, or empty, and still
say where to go on.

Failure: a question about nobody, or about an empty range, raises `InvalidRequest`.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from kit.contracts import CountedBy, EventStatus, Surface
from kit.errors import InvalidRequest
from kit.handling import Handling, Keyed, KeyPart
from kit.ids import uuid_floor
from kit.money import decimal_from_picos
from kit.orm.atomic import cursor
from metering.usage.question import scope_of
from metering.usage.report import UsageQuery
from metering.usage.request_log_sql import BOUND, PAGE, SUMMARY

# Events that one page looks at: a tenth of a second where none of them is wanted.
SCANNED_MAX: Final = 10_000
# No event charges more: it is what the column of charges holds.
CHARGE_PICOS_MAX: Final = 2**63 - 1
_MS = dt.timedelta(milliseconds=1)
_FIRST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_LAST = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestQuery:
    """Which requests: of one tenant, between two bounds as those of `UsageQuery`.

    A least charge is of what is left of it, with all corrections. `reach` are the
    projects that whoever asks may see, None for all.
    """

    tenant_id: int
    start: dt.datetime | dt.date | None = None
    end: dt.datetime | dt.date | None = None
    project_id: int | None = None
    api_key_id: int | None = None
    model: str | None = None
    status: EventStatus | None = None
    request_id: UUID | None = None
    charge_picos_min: int | None = None
    duration_us_min: int | None = None
    reach: frozenset[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One request as it was metered, and what is left of its charge.

    `net_charge_picos` is the charge with all corrections of it. Durations are
    microseconds since the request arrived; None is what was not measured. `is_retried`
    tells that its attempt was given back, since another one took its place.
    """

    request_id: UUID
    admitted_at: dt.datetime
    tenant_id: int
    project_id: int
    project: str | None
    api_key_id: int
    api_key: str | None
    model: str
    status: EventStatus
    surface: Surface
    streamed: bool
    counted_by: CountedBy
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    charge_picos: int
    net_charge_picos: int
    currency: str
    first_token_us: int | None
    last_token_us: int | None
    duration_us: int
    handling: Handling
    is_retried: bool

    @property
    def key_part(self) -> KeyPart | None:
        """Return what part an `Idempotency-Key` had; None is what nobody noted."""
        if self.is_retried:
            return KeyPart.GIVEN_BACK
        keyed = self.handling.keyed
        return None if keyed is None else KeyPart(keyed.name.lower())

    @property
    def charge(self) -> str:
        """Return the exact charge as a plain decimal."""
        return decimal_from_picos(self.charge_picos)

    @property
    def net_charge(self) -> str:
        """Return what is left of the charge as a plain decimal."""
        return decimal_from_picos(self.net_charge_picos)


@dataclass(frozen=True, slots=True)
class RequestSummary:
    """The requests of a query at a glance, from the newest events of its range.

    `looked_at` events were read, and with `is_whole` there are no more in the range.
    Times are of what ended well with a token, None where nothing did.
    """

    looked_at: int
    is_whole: bool
    requests: int
    failed: int
    first_token_p50_us: int | None
    first_token_p95_us: int | None


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Requests, newest first; the next page has those before `before`, None if none."""

    rows: tuple[LoggedRequest, ...]
    before: UUID | None


def requests(
    query: RequestQuery, *, before: UUID | None = None, size: int
) -> RequestPage:
    """Return a page of at most `size` requests, of those before an id or of all.

    Raises `InvalidRequest` for a range that is empty and for a project or key of
    another tenant.
    """
    asked = _parameters(query, before)
    found = _read(asked, since=asked["since"], size=size + 1)
    if len(found) > size:
        return RequestPage(found[:size], found[size - 1].request_id)
    # The bound is read first and then held to: what is committed meanwhile moves it. So
    # the page ends there and not after so many events, or it would end before.
    bound = _bound(asked)
    if bound is None:
        return RequestPage(found, None)
    found = _read({**asked, "scanned": None}, since=bound, size=size + 1)
    if len(found) > size:
        return RequestPage(found[:size], found[size - 1].request_id)
    return RequestPage(found, bound)


def summary(query: RequestQuery) -> RequestSummary:
    """Return a query's requests at a glance, reading no more than one page may.

    Raises `InvalidRequest` as `requests` does.
    """
    with cursor() as session:
        session.execute(SUMMARY, _parameters(query, None))
        looked_at, counted, failed, p50, p95 = session.fetchone() or (
            0,
            0,
            0,
            None,
            None,
        )
    is_whole = looked_at < SCANNED_MAX
    return RequestSummary(looked_at, is_whole, counted, failed, p50, p95)


def _parameters(query: RequestQuery, before: UUID | None) -> dict[str, Any]:
    scope = scope_of(
        UsageQuery(
            start=_FIRST if query.start is None else query.start,
            end=_LAST if query.end is None else query.end,
            tenant_id=query.tenant_id,
            project_id=query.project_id,
            api_key_id=query.api_key_id,
            reach=query.reach,
        ),
        source=None,
    )
    until = uuid_floor(scope.end + _MS)
    return {
        "tenant": query.tenant_id,
        "since": uuid_floor(scope.start),
        "until": until if before is None else min(until, before),
        "start": scope.start,
        "end": scope.end,
        "project": query.project_id,
        "key": query.api_key_id,
        "model": query.model,
        "status": query.status,
        "request": query.request_id,
        "charge_min": query.charge_picos_min,
        "duration_min": query.duration_us_min,
        "reach": None if query.reach is None else sorted(query.reach),
        "scanned": SCANNED_MAX,
    }


def _read(
    asked: dict[str, Any], *, since: UUID, size: int
) -> tuple[LoggedRequest, ...]:
    with cursor() as session:
        session.execute(PAGE, {**asked, "since": since, "size": size})
        names = [column.name for column in session.description]
        return tuple(_row(dict(zip(names, row, strict=True))) for row in session)


def _bound(asked: dict[str, Any]) -> UUID | None:
    """Return the last event that a page looks at, None where it looks at all."""
    with cursor() as session:
        session.execute(BOUND, {**asked, "skipped": SCANNED_MAX - 1})
        found = session.fetchone()
    return None if found is None else found[0]


def _row(values: dict[str, Any]) -> LoggedRequest:
    values["status"] = EventStatus(values["status"])
    values["surface"] = Surface(values["surface"])
    values["counted_by"] = CountedBy(values["counted_by"])
    values["net_charge_picos"] = int(values["net_charge_picos"])
    keyed = values.pop("keyed")
    values["handling"] = Handling(
        attempts=values.pop("attempts"),
        held_input_tokens=values.pop("held_input_tokens"),
        held_output_tokens=values.pop("held_output_tokens"),
        keyed=None if keyed is None else Keyed(keyed),
    )
    return LoggedRequest(**values)


def require_tenant(tenant_id: int | None) -> int:
    """Return whose requests are asked for; raises `InvalidRequest` for nobody's."""
    if tenant_id is None:
        raise InvalidRequest(
            "Name a tenant: requests are listed of one at a time.", param="tenant"
        )
    return tenant_id
