"""How fast a tenant's own requests were answered lately, by model.

Read from its latest requests alone, so many at most: what it costs does not grow with
what was used. A median tells what usually happens. Failure: none of its own.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from kit.ids import uuid_floor
from kit.orm.atomic import cursor

LOOKED_AT_MAX: Final = 2_000
LOOKED_BACK: Final = dt.timedelta(hours=24)

# A request's speed is that between its first token and its last.
_SPEEDS = """
WITH latest AS MATERIALIZED (
    SELECT price_id, project_id, first_token_us, last_token_us, output_tokens
    FROM usage_event
    WHERE tenant_id = %(tenant)s AND request_id >= %(since)s AND kind = 0
    ORDER BY request_id DESC LIMIT %(most)s
)
SELECT price.model, count(*),
    percentile_disc(0.5) WITHIN GROUP (ORDER BY latest.first_token_us),
    percentile_disc(0.5) WITHIN GROUP (
        ORDER BY (latest.output_tokens - 1) * 1000000::bigint
            / (latest.last_token_us - latest.first_token_us)
    ) FILTER (
        WHERE latest.last_token_us > latest.first_token_us AND latest.output_tokens > 1
    )
FROM latest JOIN pricing_price price ON price.id = latest.price_id
WHERE latest.first_token_us IS NOT NULL
    AND (%(reach)s::bigint[] IS NULL OR latest.project_id = ANY (%(reach)s))
GROUP BY price.model
"""


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians of a model's latest requests; None is what was not measured."""

    requests: int
    first_token_us: int
    tokens_per_s: int | None


def recent_speeds(
    *, tenant_id: int, reach: frozenset[int] | None, now: dt.datetime
) -> dict[str, Speed]:
    """Return how fast each model answered a tenant, as far as `reach` goes."""
    with cursor() as session:
        session.execute(
            _SPEEDS,
            {
                "tenant": tenant_id,
                "since": uuid_floor(now - LOOKED_BACK),
                "most": LOOKED_AT_MAX,
                "reach": None if reach is None else sorted(reach),
            },
        )
        return {
            model: Speed(int(number), int(first), None if rate is None else int(rate))
            for model, number, first, rate in session.fetchall()
        }
