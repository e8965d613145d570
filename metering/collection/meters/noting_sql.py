"""The SQL that holds what was told of hours against what was used in them.

Rows are of one account: of the use whose price is in a currency that it took then. An
hour of which something is being taken back is left out until that is decided.
"""

# Of `compared`: `told` is what was told, or is on its way, or is parked.
# Whoever comes second finds the number taken, by as much or by less: what is missing
# then is the next one's. Hours lag behind their days only while they are built anew.
# The first two columns are on every row, and there is one row at least.
NOTE = """
WITH meter (counted, event_name) AS (
    SELECT * FROM unnest(%(counted)s::text[], %(event_names)s::text[])
),
used AS (
    SELECT rollup.tenant_id, rollup.hour, meter.counted,
        sum(CASE meter.counted
            WHEN 'requests' THEN rollup.requests
            WHEN 'input_tokens' THEN rollup.input_tokens
            WHEN 'cached_input_tokens' THEN rollup.cached_input_tokens
            WHEN 'output_tokens' THEN rollup.output_tokens
            WHEN 'reasoning_tokens' THEN rollup.reasoning_tokens
        END)::bigint AS quantity
    FROM usage_hourrollup rollup
    JOIN pricing_price price ON price.id = rollup.price_id
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    JOIN pricing_pricebook book ON book.id = version.book_id
    CROSS JOIN meter
    WHERE rollup.hour >= %(since)s AND rollup.hour < %(until)s
        AND (book.currency = ANY (%(currencies)s::text[])) = %(takes_these)s
    GROUP BY 1, 2, 3
),
told AS (
    SELECT tenant_id, hour, counted, max(seq) AS seq,
        coalesce(sum(quantity) FILTER (
            WHERE state NOT IN ('cancelled', 'dropped')
        ), 0)::bigint AS quantity,
        bool_or(state = 'cancelling') AS is_undecided
    FROM collection_meterevent
    WHERE account = %(account)s AND hour >= %(since)s AND hour < %(until)s
        AND counted = ANY (%(counted)s::text[])
    GROUP BY 1, 2, 3
),
compared AS MATERIALIZED (
    SELECT tenant_id, hour, counted, coalesce(told.seq, 0) AS seq,
        coalesce(told.quantity, 0) AS told, coalesce(used.quantity, 0) AS used
    FROM used FULL JOIN told USING (tenant_id, hour, counted)
    WHERE NOT coalesce(told.is_undecided, false)
),
noted AS (
    INSERT INTO collection_meterevent (
        tenant_id, account, counted, hour, seq, quantity, identifier, event_name,
        state, problem, attempt, refusals, noted_at, try_at
    )
    SELECT compared.tenant_id, %(account)s, compared.counted, compared.hour,
        compared.seq + 1, compared.used - compared.told,
        format('%%s-%%s:%%s:%%s:%%s', tenant.id,
            (extract(epoch FROM tenant.created_at) * 1000000)::bigint,
            compared.counted,
            to_char(compared.hour AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24'),
            compared.seq + 1),
        meter.event_name, 'waiting', '', 0, 0, %(now)s, %(now)s
    FROM compared
    JOIN meter USING (counted)
    JOIN tenants_tenant tenant ON tenant.id = compared.tenant_id
    WHERE compared.used > compared.told
    ORDER BY compared.tenant_id, compared.hour, compared.counted
    ON CONFLICT (account, tenant_id, hour, counted, seq) DO NOTHING
    RETURNING id
)
SELECT (SELECT count(*) FROM noted),
    EXISTS (SELECT FROM usage_rollupmark WHERE hours_seq < rolled_seq),
    beyond.tenant_id, beyond.hour, beyond.counted, beyond.told, beyond.used
FROM (SELECT) AS always
LEFT JOIN (SELECT * FROM compared WHERE told > used) AS beyond ON true
ORDER BY beyond.tenant_id, beyond.hour, beyond.counted
"""
