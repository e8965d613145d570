"""The SQL of re-rating: which requests are next, and what a whole range comes to.

Requests are found through bounds of their ids, which prune partitions, and corrections
through the side table, by the ids of what they correct.
"""

_IN_SCOPE = """
    event.kind = 0 AND event.price_id = ANY(%(prices)s::bigint[])
    AND (%(tenant)s::bigint IS NULL OR event.tenant_id = %(tenant)s)
    AND event.request_id >= usage_uuid_floor(%(start)s)
    AND event.request_id < usage_uuid_floor(%(end)s + interval '1 ms')
    AND event.admitted_at >= %(start)s AND event.admitted_at < %(end)s
"""

# Those of corrective versions too: no request is rated by one.
PRICES = """
    SELECT price.id FROM pricing_price price
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    WHERE version.book_id = %(book)s AND price.model = %(model)s
"""

NEXT = f"""
    SELECT event.tenant_id, event.request_id FROM usage_event event
    WHERE {_IN_SCOPE}
        AND (event.tenant_id, event.request_id)
            > (%(after_tenant)s, %(after_request)s::uuid)
    ORDER BY event.tenant_id, event.request_id LIMIT %(limit)s
"""  # noqa: S608 - put together from the constant above

# What stands of all requests in scope, by tenant and by whether its period is closed.
EFFECT = f"""
    WITH request AS MATERIALIZED (
        SELECT event.* FROM usage_event event WHERE {_IN_SCOPE}
    ),
    fact AS (
        SELECT * FROM request
        UNION ALL
        SELECT event.* FROM request
        JOIN usage_correction correction ON correction.tenant_id = request.tenant_id
            AND correction.corrects = request.request_id
        JOIN usage_event event ON event.tenant_id = correction.tenant_id
            AND event.request_id = correction.request_id
    ),
    dated AS (
        SELECT fact.*, EXISTS (
            SELECT FROM billing_period period
            WHERE period.tenant_id = fact.tenant_id AND period.state = 'closed'
                AND period.starts_at <= fact.admitted_at
                AND period.ends_at > fact.admitted_at
        ) AS is_closed
        FROM fact
    )
    SELECT dated.tenant_id, tenant.slug, dated.is_closed,
        count(*) FILTER (WHERE dated.kind = 0), sum(dated.input_tokens),
        sum(dated.cached_input_tokens), sum(dated.output_tokens),
        sum(dated.reasoning_tokens), sum(dated.charge_picos)
    FROM dated JOIN tenants_tenant tenant ON tenant.id = dated.tenant_id
    GROUP BY 1, 2, 3 ORDER BY 1, 3
"""  # noqa: S608 - put together from the constant above

ADD = """
    INSERT INTO adjustments_reratedtenant AS so_far (
        rerating_id, tenant_id, requests, charge_before_picos, charge_after_picos
    )
    SELECT %(rerating)s, * FROM unnest(
        %(tenants)s::bigint[], %(requests)s::bigint[], %(before)s::numeric[],
        %(after)s::numeric[]
    ) ORDER BY 1, 2
    ON CONFLICT (rerating_id, tenant_id) DO UPDATE SET
        requests = so_far.requests + excluded.requests,
        charge_before_picos
            = so_far.charge_before_picos + excluded.charge_before_picos,
        charge_after_picos = so_far.charge_after_picos + excluded.charge_after_picos
"""
