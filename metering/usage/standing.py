"""Where tenants and keys stand now, for many of them in one statement each.

For lists and for questions before an action: what was charged this month as far as
rolled up, and how many requests came lately. Neither is what anybody is billed.
"""

import datetime as dt
from collections.abc import Collection

from kit.orm.atomic import cursor

# To count more takes longer than anybody waits, and would change no decision.
REQUESTS_MAX = 100_000

# The month is the tenant's own: that of the billing day it is in.
_CHARGED = """
SELECT today.tenant_id, sum(rollup.charge_picos)
FROM usage_billingday today
JOIN usage_dayrollup rollup ON rollup.tenant_id = today.tenant_id
    AND rollup.date >= date_trunc('month', today.date)::date
    AND rollup.date <= today.date
WHERE today.tenant_id = ANY(%(tenants)s)
    AND today.starts_at <= %(now)s AND today.ends_at > %(now)s
GROUP BY today.tenant_id
"""

# OFFSET 0 keeps the look-ups apart: one range of the events' key for each tenant.
_REQUESTS = """
SELECT count(*) FROM (
    SELECT 1
    FROM unnest(%(tenants)s::bigint[]) AS asked (tenant_id)
    CROSS JOIN LATERAL (
        SELECT api_key_id FROM usage_event
        WHERE tenant_id = asked.tenant_id AND kind = 0
            AND request_id >= usage_uuid_floor(%(since)s)
        OFFSET 0
    ) event
    WHERE %(keys)s::bigint[] IS NULL OR event.api_key_id = ANY(%(keys)s)
    LIMIT %(limit)s
) counted
"""


def charged_this_month(
    *, tenant_ids: Collection[int], now: dt.datetime
) -> dict[int, int]:
    """Return what tenants were charged so far this month, in picos of their currency.

    Tenants without usage are left out.
    """
    if not tenant_ids:
        return {}
    with cursor() as session:
        session.execute(_CHARGED, {"tenants": list(tenant_ids), "now": now})
        return {tenant: int(charge) for tenant, charge in session.fetchall()}


def requests_since(
    *,
    since: dt.datetime,
    tenant_ids: Collection[int],
    api_key_ids: Collection[int] | None = None,
) -> int:
    """Count the requests of tenants, or of some of their keys, admitted since then.

    At most `REQUESTS_MAX`.
    """
    with cursor() as session:
        session.execute(
            _REQUESTS,
            {
                "tenants": list(tenant_ids),
                "keys": None if api_key_ids is None else list(api_key_ids),
                "since": since,
                "limit": REQUESTS_MAX,
            },
        )
        counted: int = session.fetchone()[0]
        return counted
