"""The other reads of usage: what the ledger has to take over, and recounts.

A recount sums nothing but events, by the instants of each: what a rollup must equal.
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

# Whole hours of a tenant in the same way.
RECOUNT_HOURS = """
    SELECT date_bin('1 hour', admitted_at, 'epoch'::timestamptz), price_id,
        count(*) FILTER (WHERE corrects IS NULL), sum(input_tokens),
        sum(cached_input_tokens), sum(output_tokens), sum(reasoning_tokens),
        sum(charge_picos)
    FROM usage_event
    WHERE tenant_id = %(tenant)s AND request_id >= usage_uuid_floor(%(start)s)
        AND admitted_at >= %(start)s AND admitted_at < %(end)s
    GROUP BY 1, 2
"""
