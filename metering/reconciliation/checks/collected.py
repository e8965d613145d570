"""Checks of what a billing provider holds, as it was last read there.

Failure: none of its own. Nothing is asked of a provider here: events and the nightly
comparison read it, and a check says what they found, and whether they still look.
"""

from metering.reconciliation.checks.check import Check, by_statement, of_tenant

# What is on its way to a provider, or from it, is there within the hour.
_STANDING = f"""
WITH seen AS (
    SELECT count(*) AS rows FROM collection_standing standing
    WHERE {of_tenant("standing")}
),
difference AS (
    SELECT standing.tenant_id, invoice.number AS subject,
        'at the provider as here' AS expected, standing.difference AS found
    FROM collection_standing standing
    JOIN billing_invoice invoice ON invoice.id = standing.invoice_id
    WHERE standing.difference <> ''
        AND standing.differs_since < now() - interval '1 hour'
        AND {of_tenant("standing")}
)
"""  # noqa: S608 - put together from the conditions above

_TOLD = """
WITH late AS (
    SELECT * FROM inbox_webhookevent
    WHERE state = 'parked'
        OR (state = 'waiting' AND received_at < now() - interval '1 day')
),
stale AS (
    SELECT account, coalesce(to_char(compared_at AT TIME ZONE 'UTC',
        'YYYY-MM-DD HH24:MI'), 'never') AS last, problem
    FROM collection_comparison
    WHERE problem <> '' OR compared_at IS NULL
        OR compared_at < now() - interval '26 hours'
),
seen AS (
    SELECT (SELECT count(*) FROM inbox_webhookevent)
        + (SELECT count(*) FROM collection_comparison) AS rows
),
difference AS (
    SELECT NULL::bigint AS tenant_id, type || ' ' || event_id AS subject,
        'seen through' AS expected, state || ': ' || problem AS found
    FROM late
    UNION ALL
    SELECT NULL, 'account ' || account, 'compared each night',
        'last ' || last || ' ' || problem
    FROM stale
)
"""

INVOICES_COLLECTED = Check(
    name="invoices_collected",
    proves="Every invoice stands at its provider as it stands here.",
    look="admin:collection_standing_changelist",
    run=by_statement(_STANDING),
)
PROVIDERS_HEARD = Check(
    name="providers_heard",
    proves="What providers tell is seen through, and their books are compared.",
    look="admin:inbox_webhookevent_changelist",
    run=by_statement(_TOLD),
    is_of_tenants=False,
)
