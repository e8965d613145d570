"""What was refused of a tenant's requests: counted by the hour, never kept singly.

A refused request is not metered and has no receipt, so it is no row of the log; how
many there were, by which limit or for which reason, stands below it and in a file of
all kinds. Failure: a file of more kinds than one may have is refused with what to ask.
"""

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from zoneinfo import ZoneInfo

from django.http import HttpResponse

from inference.control.refusals import RefusalQuery, Refusals, Refused, refused
from kit.acting import current
from kit.errors import InvalidRequest
from kit.scopes import Scope
from metering.usage.request_log import RequestQuery
from pages.console.frame import way_to
from pages.design.address import Query
from pages.design.cells import Cell, Kind, instant_in, nothing, number, words
from pages.design.files import FILE_ROWS_MAX, file_of
from pages.design.table import Column, Table
from pages.design.tiles import Tile, number_tile
from tenants.models import Tenant

KINDS = 20
LATELY = dt.timedelta(days=1)
_WHOSE = {"tenant": "the tenant", "project": "the project", "api_key": "the key"}
_UNITS = {"concurrent_requests": "requests"}
_WINDOWS = {"": "at a time", "day": "a day", "month": "a month", "minute": "a minute"}
_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "engine_failed": "no replica answered",
        "engine_overloaded": "no replica was free",
        "engine_timeout": "no replica answered in time",
        "idempotency_key_in_use": "its Idempotency-Key was still running",
        "idempotency_key_reused": "its Idempotency-Key was sent with another body",
        "insufficient_quota": "a budget, quota or credit was used up",
        "internal_error": "the gateway failed",
        "invalid_request_error": "it could not be understood",
        "ip_not_allowed": "it came from outside of the key's networks",
        "model_not_found": "no such model for this key",
        "model_not_priced": "the model has no price",
        "model_retired": "the model has retired",
        "permission_denied": "the key may not do this",
        "rate_limit_exceeded": "too many at once",
        "request_too_large": "its body was too large",
        "scope_missing": "the key lacks a scope",
        "service_unavailable": "the gateway could not take it",
        "tenant_suspended": "the tenant was suspended",
    }
)


def reason(row: Refused) -> str:
    """Return why requests were refused, in words: the limit, where it was one."""
    if row.limit:
        return f"limit of {limit_words(row.limit)}"
    return _REASONS.get(row.code, row.code.replace("_", " "))


def limit_words(limit: str) -> str:
    """Return a limit, named `level:unit:window`, in words."""
    level, _, rest = limit.partition(":")
    unit, _, window = rest.partition(":")
    noun = _UNITS.get(unit, unit.replace("_", " "))
    span = "" if window == "forever" else f" {_WINDOWS.get(window, f'a {window}')}"
    return f"{_WHOSE.get(level, level)}: {noun}{span}"


def asked_of(asked: RequestQuery, *, now: dt.datetime) -> RefusalQuery | None:
    """Return the question that goes with one to the log; None where none can.

    What was refused did not end, took no time and cost nothing. Without a range it is
    of the last day.
    """
    figures = (asked.charge_picos_min, asked.duration_us_min)
    if asked.status is not None or asked.request_id is not None or any(figures):
        return None
    end = asked.end if isinstance(asked.end, dt.datetime) else now
    start = asked.start if isinstance(asked.start, dt.datetime) else end - LATELY
    return RefusalQuery(
        tenant_id=asked.tenant_id,
        start=start,
        end=end,
        project_id=asked.project_id,
        api_key_id=asked.api_key_id,
        model=asked.model,
        reach=asked.reach,
    )


def found_by(asked: RefusalQuery) -> Refusals:
    """Return the kinds with most refusals, as many as are shown."""
    return refused(asked, size=KINDS)


def refused_file(tenant: Tenant, asked: RefusalQuery, query: Query) -> HttpResponse:
    """Answer with all kinds as CSV; raises `InvalidRequest` for too many."""
    found = refused(asked, size=FILE_ROWS_MAX + 1)
    if len(found.kinds) > FILE_ROWS_MAX:
        raise InvalidRequest(
            f"A file holds at most {FILE_ROWS_MAX:,} kinds: choose a shorter range, or"
            " read them by the management API.",
            param="file",
        )
    return file_of(
        refused_table(tenant), found.kinds, query, name=f"refused-{tenant.slug}"
    )


def refused_tile(found: Refusals) -> Tile:
    """Return how many requests were refused."""
    return number_tile(
        "Refused",
        found.requests,
        address="#refused" if found.kinds else "",
        note="whole hours; not metered, not billed",
    )


def refused_table(tenant: Tenant) -> Table[Refused]:
    """Return the table of what was refused, with the way to the limits behind it."""
    zone = ZoneInfo(tenant.zone)
    may_read = current().may(Scope.LIMITS_READ)
    limits = way_to(tenant, "console:limits") if may_read else ""

    def why(row: Refused) -> Cell:
        return words(reason(row), address=limits if row.is_by_limit else "")

    columns: list[Column[Refused]] = [
        Column("why", "Refused by", why),
        Column("status", "Status", lambda row: words(f"{row.status} {row.code}")),
        Column(
            "model",
            "Model",
            lambda row: words(row.model) if row.model else nothing("none"),
        ),
        Column("requests", "Requests", lambda row: number(row.requests), Kind.NUMBER),
        Column(
            "last", f"Last, {tenant.zone}", lambda row: instant_in(row.last_at, zone)
        ),
    ]
    if current().may(Scope.KEYS_READ):
        columns.insert(3, Column("key", "API key", _key))
    return Table(
        name="refused",
        title="Refused",
        note="Counted by whole hours of UTC that the range touches, without a range by"
        f" those of the last day; kept for a month. At most {KINDS} kinds, those with"
        " most requests; its file has all.",
        columns=tuple(columns),
        is_one_of_many=True,
    )


def _key(row: Refused) -> Cell:
    if not row.api_key_id:
        return nothing("several")
    return words(row.api_key or f"{row.api_key_id}")
