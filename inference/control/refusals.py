"""How often a tenant's requests were refused, and by what.

Gateways count what they refuse by the hour (`inference.gateway.refusals`); here their
runs are added up. It says nothing of what anybody is billed: what was refused is not
metered.

Failure: what a gateway has not told yet, a few seconds' worth, is not here.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from inference.control.models import Refusal
from kit.orm.atomic import cursor

KEPT = dt.timedelta(days=31)

_OF_KIND = """
SELECT kind.api_key_id, api_key.name || ' (' || api_key.shown || ')' AS api_key,
    kind.model, kind.status, kind.code, kind.refused_by, kind.requests, kind.last_at,
    kind.of_all
FROM (
    SELECT api_key_id, model, status, code, refused_by,
        sum(requests)::bigint AS requests, max(last_at) AS last_at,
        (sum(sum(requests)) OVER ())::bigint AS of_all
    FROM control_refusal
    WHERE tenant_id = %(tenant)s
        AND hour >= date_trunc('hour', %(start)s, 'UTC') AND hour < %(end)s
        AND (%(project)s::bigint IS NULL OR project_id = %(project)s)
        AND (%(key)s::bigint IS NULL OR api_key_id = %(key)s)
        AND (%(model)s::text IS NULL OR model = %(model)s)
        AND (%(status)s::smallint IS NULL OR status = %(status)s)
        AND (%(reach)s::bigint[] IS NULL OR project_id = ANY (%(reach)s))
    GROUP BY api_key_id, model, status, code, refused_by
    ORDER BY requests DESC, last_at DESC, 1, 2, 3, 4, 5
    LIMIT %(size)s
) kind
LEFT JOIN tenants_apikey api_key ON api_key.id = kind.api_key_id
ORDER BY kind.requests DESC, kind.last_at DESC, 1, 3, 4, 5, 6
"""


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


def refused(query: RefusalQuery, *, size: int) -> Refusals:
    """Return at most `size` kinds of refusals, those with most requests first."""
    asked: dict[str, Any] = {
        "tenant": query.tenant_id,
        "start": query.start,
        "end": query.end,
        "project": query.project_id,
        "key": query.api_key_id,
        "model": query.model,
        "status": query.status,
        "reach": None if query.reach is None else sorted(query.reach),
        "size": size,
    }
    with cursor() as session:
        session.execute(_OF_KIND, asked)
        rows = session.fetchall()
    kinds = [Refused(*row[:8]) for row in rows]
    return Refusals(kinds, rows[0][8] if rows else 0)


def forget(*, now: dt.datetime) -> int:
    """Delete what was counted too long ago; return how many rows."""
    gone, _ = Refusal.objects.filter(hour__lt=now - KEPT).delete()
    return gone
