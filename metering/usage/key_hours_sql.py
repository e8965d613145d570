"""The SQL of hours by project and key: add a span of events, and let old ones go.

`kept_from` is the first hour that has such rows, of every tenant. It moves forward
alone. Events of hours before it are not added: a row of them would be a part of its
hour. What a batch adds to such an hour while the bound is moved past it is read by
nobody, and goes with the next purge.
"""

# Where the bound is lost there are none: what compares with nothing would be all.
KEPT_FROM = "coalesce((SELECT kept_from FROM usage_keyhourspan), 'infinity')"

# After the hours of the same batch, in the order of keys, as rollups are.
ADD_KEY_HOURS = f"""
    WITH sums AS MATERIALIZED (
        SELECT tenant_id, date_bin('1 hour', admitted_at, 'epoch'::timestamptz) AS hour,
            project_id, api_key_id, price_id, count(*) AS events,
            count(*) FILTER (WHERE kind = 0) AS requests,
            sum(input_tokens) AS input_tokens,
            sum(cached_input_tokens) AS cached_input_tokens,
            sum(output_tokens) AS output_tokens,
            sum(reasoning_tokens) AS reasoning_tokens,
            sum(charge_picos) AS charge_picos
        FROM usage_event
        WHERE epoch_id = %(epoch)s AND seq > %(after)s AND seq <= %(upto)s
        GROUP BY 1, 2, 3, 4, 5
    ),
    rolled AS (
        INSERT INTO usage_keyhourrollup AS rollup (
            tenant_id, hour, project_id, api_key_id, price_id, requests, input_tokens,
            cached_input_tokens, output_tokens, reasoning_tokens, charge_picos
        )
        SELECT tenant_id, hour, project_id, api_key_id, price_id, requests,
            input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
            charge_picos
        FROM sums
        WHERE hour >= {KEPT_FROM}
        ORDER BY tenant_id, hour, project_id, api_key_id, price_id
        ON CONFLICT (tenant_id, hour, project_id, api_key_id, price_id) DO UPDATE SET
            requests = rollup.requests + excluded.requests,
            input_tokens = rollup.input_tokens + excluded.input_tokens,
            cached_input_tokens
                = rollup.cached_input_tokens + excluded.cached_input_tokens,
            output_tokens = rollup.output_tokens + excluded.output_tokens,
            reasoning_tokens = rollup.reasoning_tokens + excluded.reasoning_tokens,
            charge_picos = rollup.charge_picos + excluded.charge_picos
    )
    SELECT coalesce(sum(events), 0)::bigint FROM sums
"""  # noqa: S608 - put together from the constant above

KEEP_FROM = """
    UPDATE usage_keyhourspan
    SET kept_from = date_bin('1 hour', %(before)s, 'epoch'::timestamptz)
    WHERE kept_from < date_bin('1 hour', %(before)s, 'epoch'::timestamptz)
"""

PURGE = """
    DELETE FROM usage_keyhourrollup
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM usage_keyhourrollup
        WHERE hour < (SELECT kept_from FROM usage_keyhourspan)
        LIMIT %(rows)s
    ))
"""
