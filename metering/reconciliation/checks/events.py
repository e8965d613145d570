"""Checks of single usage events: price, owner, corrections, partition.

Each goes over the events of the scope once, found through bounds of their ids, because
only those prune partitions. A correction's id is never older than what it corrects.
"""

from metering.reconciliation.checks.check import Check, by_statement, of_tenant

IN_SCOPE = f"""({of_tenant("event")}
    AND (%(since)s::timestamptz IS NULL OR (
        event.request_id >= usage_uuid_floor(%(since)s)
        AND event.admitted_at >= %(since)s
    ))
    AND (%(until)s::timestamptz IS NULL OR event.admitted_at < %(until)s))"""
# What an event's tokens cost, exactly: a product of two columns may overflow a bigint.
RATED = """(
    event.input_tokens::numeric * price.input_picos
    + event.cached_input_tokens::numeric * price.cached_input_picos
    + event.output_tokens::numeric * price.output_picos
)"""

_RATED = f"""
WITH rated AS NOT MATERIALIZED (
    SELECT event.tenant_id, event.request_id, event.charge_picos, event.price_id,
        {RATED} AS rated
    FROM usage_event event LEFT JOIN pricing_price price ON price.id = event.price_id
    WHERE {IN_SCOPE}
),
seen AS (SELECT count(*) AS rows FROM rated),
difference AS (
    SELECT tenant_id, 'event ' || request_id AS subject,
        coalesce(rated || ' picos', 'a price ' || price_id) AS expected,
        charge_picos || ' picos' AS found
    FROM rated WHERE rated IS DISTINCT FROM charge_picos
)
"""  # noqa: S608 - put together from the constants above

_OWNED = f"""
WITH owner AS (
    SELECT event.tenant_id, event.project_id, event.api_key_id, count(*) AS events
    FROM usage_event event WHERE {IN_SCOPE} GROUP BY 1, 2, 3
),
seen AS (SELECT count(*) AS rows FROM owner),
difference AS (
    SELECT owner.tenant_id, owner.events || ' events' AS subject,
        coalesce(
            'tenant ' || key.tenant_id || ', project ' || key.project_id
            || ', as key ' || key.id, 'a key ' || owner.api_key_id
        ) AS expected,
        'tenant ' || owner.tenant_id || ', project ' || owner.project_id
            || ', key ' || owner.api_key_id AS found
    FROM owner LEFT JOIN tenants_apikey key ON key.id = owner.api_key_id
    WHERE key.id IS NULL OR key.tenant_id <> owner.tenant_id
        OR key.project_id <> owner.project_id
)
"""  # noqa: S608 - put together from the constants above

# The usage report finds corrections through their side table only. What is rated anew
# is charged by a corrective price of the same model and book.
_CORRECTED = f"""
WITH correction AS (
    SELECT event.tenant_id, event.request_id, event.corrects, event.kind,
        original.admitted_at = event.admitted_at AND (
            original.price_id = event.price_id
            OR (original_price.model = price.model
                AND original_version.book_id = version.book_id
                AND version.is_corrective)
        ) AS is_alike,
        original.request_id IS NULL AS has_no_original
    FROM usage_event event
    LEFT JOIN usage_event original ON original.tenant_id = event.tenant_id
        AND original.request_id = event.corrects AND original.kind = 0
    LEFT JOIN pricing_price original_price ON original_price.id = original.price_id
    LEFT JOIN pricing_pricebookversion original_version
        ON original_version.id = original_price.version_id
    LEFT JOIN pricing_price price ON price.id = event.price_id
    LEFT JOIN pricing_pricebookversion version ON version.id = price.version_id
    WHERE event.kind <> 0 AND {IN_SCOPE}
),
listed AS (
    SELECT side.*, event.request_id IS NULL AS has_no_event
    FROM usage_correction side
    LEFT JOIN usage_event event ON event.tenant_id = side.tenant_id
        AND event.request_id = side.request_id
    WHERE {of_tenant("side")} AND (%(since)s::timestamptz IS NULL
            OR side.corrects >= usage_uuid_floor(%(since)s))
        AND (%(until)s::timestamptz IS NULL
            OR side.corrects < usage_uuid_floor(%(until)s))
),
seen AS (SELECT count(*) AS rows FROM correction),
difference AS (
    SELECT correction.tenant_id, 'correction ' || correction.request_id AS subject,
        'its row in the list of corrections' AS expected,
        count(side.request_id) || ' rows' AS found
    FROM correction
    LEFT JOIN usage_correction side ON side.tenant_id = correction.tenant_id
        AND side.corrects = correction.corrects AND side.kind = correction.kind
        AND side.request_id = correction.request_id
    GROUP BY correction.tenant_id, correction.request_id
    HAVING count(side.request_id) <> 1
    UNION ALL
    SELECT tenant_id, 'correction ' || request_id, 'an event', 'a row of the list only'
    FROM listed WHERE has_no_event
    UNION ALL
    SELECT tenant_id, 'correction ' || request_id,
        'the instant and price of the request ' || corrects,
        CASE WHEN has_no_original THEN 'no such request' ELSE 'others' END
    FROM correction WHERE has_no_original OR is_alike IS NOT TRUE
)
"""  # noqa: S608 - put together from the constants above

_PLACED = """
WITH seen AS (SELECT 1::bigint AS rows),
difference AS (
    SELECT NULL::bigint AS tenant_id, 'default partition' AS subject,
        'no event' AS expected, 'events' AS found
    WHERE usage_default_partition_holds_events()
)
"""

EVENTS_RATED = Check(
    name="events_rated",
    proves="Every event is charged what its price makes of its tokens.",
    look="admin:pricing_pricebook_changelist",
    run=by_statement(_RATED),
)
EVENTS_OWNED = Check(
    name="events_owned",
    proves="Every event is charged to the tenant and project of its key.",
    look="admin:tenants_apikey_changelist",
    run=by_statement(_OWNED),
)
EVENTS_CORRECTED = Check(
    name="events_corrected",
    proves="Every correction names a request, and is listed once where reports look.",
    look="admin:usage_epoch_changelist",
    run=by_statement(_CORRECTED),
)
EVENTS_PLACED = Check(
    name="events_placed",
    proves="Every event is in the partition of its month.",
    look="admin:usage_epoch_changelist",
    run=by_statement(_PLACED),
    is_of_tenants=False,
)
