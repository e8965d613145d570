"""Checks of budgets: what their windows have posted, and who may use the rest.

`posted` moves in the transaction of the events themselves, so it is exact at any
instant, and no quiet is needed: rollups and the events above them, as of the same
snapshot, decide. What a lease comes to is the business of the gateway that has it; but
when its epoch is closed it must be gone, and nothing is ever below zero. A window that
ended is not looked at again: nobody grants anything by it.
"""

from metering.reconciliation.checks.check import Check, by_statement, of_tenant

# Those that still run, of the days in question.
_OPEN = f"""
place AS (
    SELECT window_.*, 'window ' || window_.id || ': ' || window_.kind || ' of '
        || window_.level || ' ' || window_.holder_id || ' (' || window_.window || ')'
        AS name
    FROM budgets_window window_
    WHERE {of_tenant("window_")} AND window_.ends_at > now()
        AND (%(until)s::timestamptz IS NULL OR window_.starts_at < %(until)s)
        AND (%(since)s::timestamptz IS NULL OR window_.ends_at > %(since)s)
)
"""  # noqa: S608 - put together from the condition above

_POSTED = f"""
WITH {_OPEN},
counted AS (
    SELECT place.*, budgets_used(whole) AS used
    FROM place JOIN budgets_window whole ON whole.id = place.id
),
seen AS (SELECT count(*) AS rows FROM counted),
difference AS (
    SELECT tenant_id, name AS subject, used || ' used' AS expected,
        posted || ' posted' AS found
    FROM counted WHERE posted <> used
)
"""  # noqa: S608 - put together from the constant above

_LEASED = f"""
WITH {_OPEN},
lease AS (
    SELECT place.name, place.tenant_id, lease.epoch_id, lease.amount, lease.used,
        epoch.state
    FROM place JOIN budgets_lease lease ON lease.window_id = place.id
    LEFT JOIN usage_epoch epoch ON epoch.id = lease.epoch_id
),
seen AS (
    SELECT (SELECT count(*) FROM place) + (SELECT count(*) FROM lease) AS rows
),
difference AS (
    SELECT tenant_id, name AS subject, 'nothing below zero' AS expected,
        posted || ' posted' AS found
    FROM place WHERE posted < 0
    UNION ALL
    SELECT tenant_id, name || ', epoch ' || epoch_id, 'nothing below zero',
        amount || ' leased, ' || used || ' used'
    FROM lease WHERE amount < 0 OR used < 0
    UNION ALL
    SELECT tenant_id, name || ', epoch ' || epoch_id, 'no lease of a closed epoch',
        amount || ' leased'
    FROM lease WHERE state IS DISTINCT FROM 'open'
)
"""  # noqa: S608 - put together from the constant above

WINDOWS_POSTED = Check(
    name="windows_posted",
    proves="Every open window of a budget has posted what its usage comes to.",
    look="admin:tenants_tenant_changelist",
    run=by_statement(_POSTED),
)
WINDOWS_LEASED = Check(
    name="windows_leased",
    proves="No lease of a closed epoch is left, and nothing is below zero.",
    look="admin:usage_epoch_changelist",
    run=by_statement(_LEASED),
)
