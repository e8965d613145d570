"""How often a tenant's requests were refused, and by what.

Gateways count what they refuse by the hour (`inference.gateway.refusals`); here their
runs are added up. It says nothing of what anybody is billed: what was refused is not
metered.

Failure: what a gateway has not told yet, a few seconds' worth, is not here.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from inference.control.models import Refusal
from kit.orm.atomic import cursor

KEPT = dt.timedelta(days=31)

_ASKED = """tenant_id = %(tenant)s
        AND hour >= date_trunc('hour', %(start)s, 'UTC') AND hour < %(end)s
        AND (%(project)s::bigint IS NULL OR project_id = %(project)s)
        AND (%(key)s::bigint IS NULL OR api_key_id = %(key)s)
        AND (%(model)s::text IS NULL OR model = %(model)s)
        AND (%(status)s::smallint IS NULL OR status = %(status)s)
        AND (%(reach)s::bigint[] IS NULL OR project_id = ANY (%(reach)s))"""
_OF_KIND = f"""
SELECT kind.api_key_id, api_key.name || ' (' || api_key.shown || ')' AS api_key,
    kind.model, kind.status, kind.code, kind.refused_by, kind.requests, kind.last_at,
    kind.of_all
FROM (
    SELECT api_key_id, model, status, code, refused_by,
        sum(requests)::bigint AS requests, max(last_at) AS last_at,
        (sum(sum(requests)) OVER ())::bigint AS of_all
    FROM control_refusal
    WHERE {_ASKED}
    GROUP BY api_key_id, model, status, code, refused_by
    ORDER BY requests DESC, last_at DESC, 1, 2, 3, 4, 5
    LIMIT %(size)s
) kind
LEFT JOIN tenants_apikey api_key ON api_key.id = kind.api_key_id
ORDER BY kind.requests DESC, kind.last_at DESC, 1, 3, 4, 5, 6
"""  # noqa: S608 - put together from the constant above

# What tells the kinds of an hour apart, in an order that lasts: a list goes on by it.
_KIND = """encode(sha256(convert_to(
        concat_ws('/', project_id, api_key_id, status, code, refused_by, model), 'UTF8'
    )), 'hex')"""
_BY_HOUR = f"""
SELECT counted.hour, nullif(counted.project_id, 0), project.slug,
    nullif(counted.api_key_id, 0), api_key.name || ' (' || api_key.shown || ')',
    counted.model, counted.status, counted.code, counted.refused_by,
    counted.requests, counted.last_at, counted.kind
FROM (
    SELECT hour, project_id, api_key_id, model, status, code, refused_by,
        sum(requests)::bigint AS requests, max(last_at) AS last_at, {_KIND} AS kind
    FROM control_refusal
    WHERE {_ASKED}
        AND (%(before)s::timestamptz IS NULL OR (hour, {_KIND})
            < (%(before)s, %(kind)s::text))
    GROUP BY hour, project_id, api_key_id, model, status, code, refused_by
    ORDER BY hour DESC, kind DESC
    LIMIT %(size)s
) counted
LEFT JOIN tenants_project project ON project.id = counted.project_id
LEFT JOIN tenants_apikey api_key ON api_key.id = counted.api_key_id
ORDER BY counted.hour DESC, counted.kind DESC
"""  # noqa: S608 - put together from the constants above


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalQuery:
    """Which refusals: of one tenant, in the hours of UTC that a range touches.

    `reach` are the projects that whoever asks may see, None for all.
    """

    tenant_id: int
    start: dt.datetime
    end: dt.datetime
    project_id: int | None = None
    api_key_id: int | None = None
    model: str | None = None
    status: int | None = None
    reach: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Refusals of one kind: of which key and model, by what, how many, until when.

    The key is 0 and the model empty where that is not known; `limit` is the limit that
    refused, as `level:unit:window`, empty where none did.
    """

    api_key_id: int
    api_key: str | None
    model: str
    status: int
    code: str
    limit: str
    requests: int
    last_at: dt.datetime

    @property
    def is_by_limit(self) -> bool:
        """Tell whether more would have been let in under a higher limit, or later."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS


@dataclass(frozen=True, slots=True)
class Refusals:
    """The kinds with most requests, and how many requests those of all kinds are."""

    kinds: Sequence[Refused]
    requests: int


@dataclass(frozen=True, slots=True)
class RefusedWithinHour:
    """Refusals of one kind within an hour of UTC; `limit` as that of `Refused`.

    Project and key are None where they are not known; what is gone has no name.
    """

    hour: dt.datetime
    project_id: int | None
    project: str | None
    api_key_id: int | None
    api_key: str | None
    model: str
    status: int
    code: str
    limit: str
    requests: int
    last_at: dt.datetime
    kind: str = field(repr=False)

    @property
    def position(self) -> tuple[dt.datetime, str]:
        """Return what the next page begins after."""
        return self.hour, self.kind


def refused(query: RefusalQuery, *, size: int) -> Refusals:
    """Return at most `size` kinds of refusals, those with most requests first."""
    with cursor() as session:
        session.execute(_OF_KIND, {**_parameters(query), "size": size})
        rows = session.fetchall()
    kinds = [Refused(*row[:8]) for row in rows]
    return Refusals(kinds, rows[0][8] if rows else 0)


def refused_by_hour(
    query: RefusalQuery, *, before: tuple[dt.datetime, str] | None = None, size: int
) -> tuple[RefusedWithinHour, ...]:
    """Return at most `size` kinds by the hour, the newest first.

    `before` is the position of the last one that was seen. What the running hour still
    adds to a kind that was seen is not seen again.
    """
    hour, kind = before or (None, None)
    asked = {**_parameters(query), "before": hour, "kind": kind, "size": size}
    with cursor() as session:
        session.execute(_BY_HOUR, asked)
        return tuple(RefusedWithinHour(*row) for row in session)


def _parameters(query: RefusalQuery) -> dict[str, Any]:
    return {
        "tenant": query.tenant_id,
        "start": query.start,
        "end": query.end,
        "project": query.project_id,
        "key": query.api_key_id,
        "model": query.model,
        "status": query.status,
        "reach": None if query.reach is None else sorted(query.reach),
    }


def forget(*, now: dt.datetime) -> int:
    """Delete what was counted too long ago; return how many rows."""
    gone, _ = Refusal.objects.filter(hour__lt=now - KEPT).delete()
    return gone
