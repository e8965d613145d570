"""The SQL that recovers: what stands of requests, and epochs made and ended for it."""

LOCK_EPOCH = """
SELECT gateway, (extract(epoch FROM started_at) * 1000000)::bigint, state, last_seq
FROM usage_epoch WHERE id = %(epoch_id)s FOR UPDATE
"""

# What stands is by gateways only: credits and adjustments are about something else. But
# what those took back at the request's price, nobody gives back once more.
# LATE is 1, UNDELIVERED 2, what is not by gateways above.
STANDING = """
SELECT event.request_id,
       event.input_tokens + coalesce(late.input_tokens, 0),
       event.cached_input_tokens + coalesce(late.cached_input_tokens, 0),
       event.output_tokens + coalesce(late.output_tokens, 0),
       event.reasoning_tokens + coalesce(late.reasoning_tokens, 0),
       coalesce(late.is_given_back, false),
       coalesce(others.input_tokens, 0), coalesce(others.cached_input_tokens, 0),
       coalesce(others.output_tokens, 0), coalesce(others.reasoning_tokens, 0)
FROM unnest(%(tenant_ids)s::bigint[], %(request_ids)s::uuid[])
    AS asked(tenant_id, request_id)
JOIN usage_event event USING (tenant_id, request_id)
LEFT JOIN LATERAL (
    SELECT sum(more.input_tokens) FILTER (WHERE more.kind = 1) AS input_tokens,
           sum(more.cached_input_tokens) FILTER (WHERE more.kind = 1)
               AS cached_input_tokens,
           sum(more.output_tokens) FILTER (WHERE more.kind = 1) AS output_tokens,
           sum(more.reasoning_tokens) FILTER (WHERE more.kind = 1) AS reasoning_tokens,
           bool_or(more.kind = 2) AS is_given_back
    FROM usage_correction side
    JOIN usage_event more
        ON more.tenant_id = side.tenant_id AND more.request_id = side.request_id
    WHERE side.tenant_id = asked.tenant_id AND side.corrects = asked.request_id
        AND side.kind IN (1, 2)
) late ON true
LEFT JOIN LATERAL (
    SELECT sum(more.input_tokens) AS input_tokens,
           sum(more.cached_input_tokens) AS cached_input_tokens,
           sum(more.output_tokens) AS output_tokens,
           sum(more.reasoning_tokens) AS reasoning_tokens
    FROM usage_correction side
    JOIN usage_event more
        ON more.tenant_id = side.tenant_id AND more.request_id = side.request_id
    WHERE side.tenant_id = asked.tenant_id AND side.corrects = asked.request_id
        AND side.kind > 2 AND more.price_id = event.price_id
) others ON true
"""

MAKE_EPOCH = """
INSERT INTO usage_epoch (
    gateway, epoch, state, last_seq, admitted, settled, voided,
    started_at, heartbeat_at, open_since
)
SELECT %(gateway)s::varchar, coalesce(max(epoch), 0) + 1, 'open', 0, 0, 0, 0,
       clock_timestamp(), clock_timestamp(), NULL
FROM usage_epoch WHERE gateway = %(gateway)s::varchar
RETURNING id
"""

# Those of an epoch's requests that were settled in epochs made to recover it.
RECOVERED = """
SELECT count(*)
FROM unnest(%(tenant_ids)s::bigint[], %(request_ids)s::uuid[])
    AS asked(tenant_id, request_id)
JOIN usage_event event USING (tenant_id, request_id)
JOIN usage_epoch epoch ON epoch.id = event.epoch_id
WHERE epoch.id > %(epoch_id)s AND epoch.gateway = %(gateway)s
"""

# Its leases go with it, by trigger. What was settled elsewhere was not admitted here.
END_EPOCH = """
WITH forgotten AS (DELETE FROM usage_checkpoint WHERE epoch_id = %(epoch_id)s)
UPDATE usage_epoch
SET state = 'closed', closed_at = coalesce(closed_at, clock_timestamp()),
    admitted = coalesce(%(admitted)s::bigint, admitted) - %(elsewhere)s::bigint,
    voided = coalesce(%(voided)s::bigint, voided),
    open_since = NULL
WHERE id = %(epoch_id)s
"""
