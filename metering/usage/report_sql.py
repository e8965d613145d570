"""The SQL of the usage report and of the recount.

One statement, so that rollups, marks and events are seen at the same instant: an event
is either rolled up or above its epoch's mark, never both and never neither.

`day` is the billing days that the question touches. A *whole* one is answered from its
rollup and the tail of events above the marks; of the others the part inside the
question's bounds is read from events, found through bounds of their ids, because only
those prune partitions. A correction has an id of its own time, but the side table finds
it by the id that it corrects. With `utc` the answer is by UTC days: only billing days
that are one can be whole.

`OFFSET 0` keeps the planner from joining all events to what are a few index scans.
"""

USAGE = """
WITH day AS MATERIALIZED (
    SELECT tenant_id, date, starts_at, ends_at,
        greatest(starts_at, %(start)s) AS since, least(ends_at, %(end)s) AS until,
        starts_at >= %(start)s AND ends_at <= %(end)s AND (
            NOT %(utc)s OR (
                (starts_at AT TIME ZONE 'UTC')::time = '00:00'
                AND ends_at = starts_at + interval '24 hours'
            )
        ) AS whole
    FROM usage_billingday
    WHERE starts_at < %(end)s AND ends_at > %(start)s
        AND (%(tenant)s::bigint IS NULL OR tenant_id = %(tenant)s)
),
tail AS (
    SELECT event.*, day.date AS label
    FROM usage_epoch epoch
    LEFT JOIN usage_rollupmark mark ON mark.epoch_id = epoch.id
    CROSS JOIN LATERAL (
        SELECT * FROM usage_event event
        WHERE event.epoch_id = epoch.id AND event.seq > coalesce(mark.rolled_seq, 0)
        OFFSET 0
    ) event
    JOIN day ON day.whole AND day.tenant_id = event.tenant_id
        AND event.admitted_at >= day.starts_at AND event.admitted_at < day.ends_at
    WHERE epoch.last_seq > coalesce(mark.rolled_seq, 0)
),
part AS (
    SELECT CASE WHEN %(utc)s THEN (event.admitted_at AT TIME ZONE 'UTC')::date
        ELSE day.date END AS label, event.*
    FROM day CROSS JOIN LATERAL (
        SELECT * FROM usage_event event
        WHERE event.tenant_id = day.tenant_id AND event.kind = 0
            AND event.request_id >= usage_uuid_floor(day.since)
            AND event.request_id < usage_uuid_floor(day.until + interval '1 ms')
            AND event.admitted_at >= day.since AND event.admitted_at < day.until
        OFFSET 0
    ) event
    WHERE NOT day.whole
    UNION ALL
    SELECT CASE WHEN %(utc)s THEN (event.admitted_at AT TIME ZONE 'UTC')::date
        ELSE day.date END AS label, event.*
    FROM day CROSS JOIN LATERAL (
        SELECT event.* FROM usage_correction correction
        JOIN usage_event event ON event.tenant_id = correction.tenant_id
            AND event.request_id = correction.request_id
        WHERE correction.tenant_id = day.tenant_id
            AND correction.corrects >= usage_uuid_floor(day.since)
            AND correction.corrects < usage_uuid_floor(day.until + interval '1 ms')
            AND event.admitted_at >= day.since AND event.admitted_at < day.until
        OFFSET 0
    ) event
    WHERE NOT day.whole
),
raw AS (
    SELECT label, tenant_id, project_id, api_key_id, price_id, kind, input_tokens,
        cached_input_tokens, output_tokens, reasoning_tokens, charge_picos
    FROM tail
    UNION ALL
    SELECT label, tenant_id, project_id, api_key_id, price_id, kind, input_tokens,
        cached_input_tokens, output_tokens, reasoning_tokens, charge_picos
    FROM part
),
fact AS (
    SELECT label, tenant_id, project_id, api_key_id, price_id,
        CASE WHEN kind = 0 THEN 1 ELSE 0 END AS requests, input_tokens,
        cached_input_tokens, output_tokens, reasoning_tokens,
        charge_picos::numeric AS charge_picos
    FROM raw
    UNION ALL
    SELECT day.date, rollup.tenant_id, rollup.project_id, rollup.api_key_id,
        rollup.price_id,
        CASE WHEN rollup.token_class = 0 THEN rollup.quantity ELSE 0 END,
        CASE WHEN rollup.token_class = 1 THEN rollup.quantity ELSE 0 END,
        CASE WHEN rollup.token_class = 2 THEN rollup.quantity ELSE 0 END,
        CASE WHEN rollup.token_class = 3 THEN rollup.quantity ELSE 0 END,
        CASE WHEN rollup.token_class = 4 THEN rollup.quantity ELSE 0 END,
        rollup.charge_picos
    FROM day
    JOIN usage_dayrollup rollup
        ON rollup.tenant_id = day.tenant_id AND rollup.date = day.date
    WHERE day.whole
),
answer AS (
    SELECT CASE WHEN %(by_day)s THEN fact.label END AS day,
        CASE WHEN %(by_tenant)s THEN fact.tenant_id END AS tenant_id,
        CASE WHEN %(by_project)s THEN fact.project_id END AS project_id,
        CASE WHEN %(by_key)s THEN fact.api_key_id END AS api_key_id,
        CASE WHEN %(by_model)s THEN price.model END AS model,
        book.currency,
        sum(fact.requests) AS requests, sum(fact.input_tokens) AS input_tokens,
        sum(fact.cached_input_tokens) AS cached_input_tokens,
        sum(fact.output_tokens) AS output_tokens,
        sum(fact.reasoning_tokens) AS reasoning_tokens,
        sum(fact.charge_picos) AS charge_picos
    FROM fact
    JOIN pricing_price price ON price.id = fact.price_id
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    JOIN pricing_pricebook book ON book.id = version.book_id
    WHERE (%(project)s::bigint IS NULL OR fact.project_id = %(project)s)
        AND (%(key)s::bigint IS NULL OR fact.api_key_id = %(key)s)
        AND (%(model)s::text IS NULL OR price.model = %(model)s)
    GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT answer.day, answer.tenant_id, tenant.slug, answer.project_id, project.slug,
    answer.api_key_id, api_key.name || ' (' || api_key.shown || ')', answer.model,
    answer.currency, answer.requests, answer.input_tokens, answer.cached_input_tokens,
    answer.output_tokens, answer.reasoning_tokens, answer.charge_picos
FROM answer
LEFT JOIN tenants_tenant tenant ON tenant.id = answer.tenant_id
LEFT JOIN tenants_project project ON project.id = answer.project_id
LEFT JOIN tenants_apikey api_key ON api_key.id = answer.api_key_id
ORDER BY answer.day, tenant.slug, project.slug, api_key.name, answer.api_key_id,
    answer.model, answer.currency
LIMIT %(limit)s
"""

# Which tenants, of those a question touches, have days that are not days of UTC.
OTHER_ZONES = """
    SELECT EXISTS (
        SELECT FROM usage_billingday
        WHERE starts_at < %(end)s AND ends_at > %(start)s AND (
            (starts_at AT TIME ZONE 'UTC')::time <> '00:00'
            OR ends_at <> starts_at + interval '24 hours'
        )
    )
"""

CHANGED = """
    SELECT changed.tenant_id, array_agg(changed.date ORDER BY changed.date)
    FROM usage_changedday changed
    JOIN usage_billingday day
        ON day.tenant_id = changed.tenant_id AND day.date = changed.date
    WHERE day.ends_at <= %(ended_by)s
        AND (%(tenant)s::bigint IS NULL OR changed.tenant_id = %(tenant)s)
    GROUP BY changed.tenant_id
    ORDER BY changed.tenant_id
"""

# A day's rollup as it must be, counted from nothing but events between its stored
# instants.
RECOUNT = """
    SELECT event.project_id, event.api_key_id, event.price_id, class.token_class,
        sum(class.quantity), sum(class.quantity::numeric * class.unit_picos)
    FROM usage_billingday day
    JOIN usage_event event ON event.tenant_id = day.tenant_id
        AND event.request_id >= usage_uuid_floor(day.starts_at)
        AND event.admitted_at >= day.starts_at AND event.admitted_at < day.ends_at
    JOIN pricing_price price ON price.id = event.price_id
    CROSS JOIN LATERAL (VALUES
        (0, (event.corrects IS NULL)::integer, 0::bigint),
        (1, event.input_tokens, price.input_picos),
        (2, event.cached_input_tokens, price.cached_input_picos),
        (3, event.output_tokens, price.output_picos),
        (4, event.reasoning_tokens, 0::bigint)
    ) AS class (token_class, quantity, unit_picos)
    WHERE day.tenant_id = %(tenant)s AND day.date = %(date)s
    GROUP BY 1, 2, 3, 4
    HAVING sum(class.quantity) <> 0
"""
