"""The SQL of corrections: take a turn, list, number and hold them against what stands.

Requests and their corrections are found by key only: the event table is partitioned by
id, and a correction's id carries the millisecond of its request's.
"""

# One posting at a time: short transactions, and few of them. Taken before the epochs'
# table and the windows of budgets, in which order gateways take those too.
TURN = "SELECT pg_advisory_xact_lock(hashtext('usage_corrections'))"

_ASKED = """
    asked AS (
        SELECT * FROM unnest(%(tenant_ids)s::bigint[], %(request_ids)s::uuid[])
            AS asked (tenant_id, request_id)
    )"""

UNKNOWN = f"""
    WITH {_ASKED}
    SELECT asked.tenant_id, asked.request_id
    FROM asked LEFT JOIN usage_event event ON event.tenant_id = asked.tenant_id
        AND event.request_id = asked.request_id AND event.kind = 0
    WHERE event.request_id IS NULL
    ORDER BY 1, 2 LIMIT 1
"""  # noqa: S608 - put together from the constant above

# Each request with its own event and those of its corrections.
_FACTS = f"""
    WITH {_ASKED},
    fact AS (
        SELECT asked.request_id AS original, event.price_id AS rated_by, event.*
        FROM asked JOIN usage_event event ON event.tenant_id = asked.tenant_id
            AND event.request_id = asked.request_id AND event.kind = 0
        UNION ALL
        SELECT asked.request_id, original.price_id, event.*
        FROM asked
        JOIN usage_event original ON original.tenant_id = asked.tenant_id
            AND original.request_id = asked.request_id AND original.kind = 0
        JOIN usage_correction correction ON correction.tenant_id = asked.tenant_id
            AND correction.corrects = asked.request_id
        JOIN usage_event event ON event.tenant_id = correction.tenant_id
            AND event.request_id = correction.request_id
    )"""  # noqa: S608 - put together from the constant above

STANDING = f"""{_FACTS}
    SELECT tenant_id, original, nullif(price_id, rated_by), sum(input_tokens),
        sum(cached_input_tokens), sum(output_tokens), sum(reasoning_tokens),
        sum(charge_picos)
    FROM fact GROUP BY tenant_id, original, price_id, rated_by
    ORDER BY tenant_id, original, price_id
"""  # noqa: S608 - put together from the constant above

NEGATIVE = f"""{_FACTS}
    SELECT original FROM fact GROUP BY tenant_id, original
    HAVING least(
        sum(input_tokens), sum(cached_input_tokens), sum(output_tokens),
        sum(reasoning_tokens), sum(output_tokens) - sum(reasoning_tokens),
        sum(charge_picos)
    ) < 0
    ORDER BY original LIMIT 1
"""  # noqa: S608 - put together from the constant above

LIST = """
    INSERT INTO usage_correction (tenant_id, corrects, kind, source, request_id)
    SELECT * FROM unnest(
        %(tenant_ids)s::bigint[], %(corrects)s::uuid[], %(kinds)s::smallint[],
        %(sources)s::text[], %(ids)s::uuid[]
    ) AS wanted (tenant_id, corrects, kind, source, request_id)
    ORDER BY tenant_id, corrects, kind, source
    ON CONFLICT DO NOTHING
    RETURNING request_id
"""

OPEN = """
    INSERT INTO usage_epoch (
        gateway, epoch, state, last_seq, admitted, settled, voided, started_at,
        heartbeat_at
    )
    SELECT %(poster)s, coalesce(max(epoch), 0) + 1, 'open', 0, 0, 0, 0,
        clock_timestamp(), clock_timestamp()
    FROM usage_epoch WHERE gateway = %(poster)s
    RETURNING id
"""

# A correction takes no time and generates nothing: it is no work of any replica.
INSERT = """
    WITH wanted AS (
        SELECT * FROM unnest(
            %(tenant_ids)s::bigint[], %(corrects)s::uuid[], %(kinds)s::smallint[],
            %(price_ids)s::bigint[], %(ids)s::uuid[], %(input_tokens)s::integer[],
            %(cached_input_tokens)s::integer[], %(output_tokens)s::integer[],
            %(reasoning_tokens)s::integer[]
        ) AS wanted (
            tenant_id, corrects, kind, price_id, id, input_tokens, cached_input_tokens,
            output_tokens, reasoning_tokens
        )
    )
    INSERT INTO usage_event (
        request_id, admitted_at, tenant_id, project_id, api_key_id, price_id,
        replica_id, epoch_id, seq, charge_picos, duration_us, input_tokens,
        cached_input_tokens, output_tokens, reasoning_tokens, generated_tokens, kind,
        status, counted_by, surface, streamed, corrects
    )
    SELECT wanted.id, original.admitted_at, original.tenant_id, original.project_id,
        original.api_key_id, price.id, original.replica_id, %(epoch)s,
        row_number() OVER (ORDER BY wanted.tenant_id, wanted.id),
        wanted.input_tokens * price.input_picos
            + wanted.cached_input_tokens * price.cached_input_picos
            + wanted.output_tokens * price.output_picos,
        0, wanted.input_tokens, wanted.cached_input_tokens, wanted.output_tokens,
        wanted.reasoning_tokens, 0, wanted.kind, original.status, original.counted_by,
        original.surface, original.streamed, wanted.corrects
    FROM wanted
    JOIN usage_event original ON original.tenant_id = wanted.tenant_id
        AND original.request_id = wanted.corrects AND original.kind = 0
    JOIN pricing_price rated_by ON rated_by.id = original.price_id
    JOIN pricing_pricebookversion rated_in ON rated_in.id = rated_by.version_id
    JOIN pricing_price price ON price.model = rated_by.model
        AND price.id = coalesce(wanted.price_id, original.price_id)
    JOIN pricing_pricebookversion version ON version.id = price.version_id
        AND version.book_id = rated_in.book_id
        AND (version.is_corrective OR price.id = original.price_id)
    ORDER BY wanted.tenant_id, wanted.id
"""

# As the last statement: those who sum up usage look at what was closed lately.
CLOSE = """
    UPDATE usage_epoch SET state = 'closed', last_seq = %(last)s,
        heartbeat_at = clock_timestamp(), closed_at = clock_timestamp()
    WHERE id = %(epoch)s
"""
