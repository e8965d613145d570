"""The SQL behind a day of a line: its requests and their corrections, and their sum.

Of some prices and token classes. Requests are found through bounds of their ids,
corrections through the ids of what they correct.
"""

_EVENTS = """
WITH day AS (
    SELECT starts_at, ends_at FROM usage_billingday
    WHERE tenant_id = %(tenant)s AND date = %(date)s
),
fact AS (
    SELECT event.* FROM day CROSS JOIN LATERAL (
        SELECT * FROM usage_event event
        WHERE event.tenant_id = %(tenant)s AND event.kind = 0
            AND event.request_id >= usage_uuid_floor(day.starts_at)
            AND event.request_id < usage_uuid_floor(day.ends_at + interval '1 ms')
            AND event.admitted_at >= day.starts_at AND event.admitted_at < day.ends_at
            AND event.price_id = ANY(%(prices)s::bigint[])
        OFFSET 0
    ) event
    UNION ALL
    SELECT event.* FROM day CROSS JOIN LATERAL (
        SELECT event.* FROM usage_correction correction
        JOIN usage_event event ON event.tenant_id = correction.tenant_id
            AND event.request_id = correction.request_id
        WHERE correction.tenant_id = %(tenant)s
            AND correction.corrects >= usage_uuid_floor(day.starts_at)
            AND correction.corrects < usage_uuid_floor(day.ends_at + interval '1 ms')
            AND event.admitted_at >= day.starts_at AND event.admitted_at < day.ends_at
            AND event.price_id = ANY(%(prices)s::bigint[])
        OFFSET 0
    ) event
),
counted AS (
    SELECT request_id, admitted_at, kind, corrects,
        CASE WHEN 1 = ANY(%(classes)s::int[]) THEN input_tokens ELSE 0 END
        + CASE WHEN 2 = ANY(%(classes)s::int[]) THEN cached_input_tokens ELSE 0 END
        + CASE WHEN 3 = ANY(%(classes)s::int[]) THEN output_tokens ELSE 0 END
            AS quantity
    FROM fact
)
"""
_COUNT = "SELECT count(*), coalesce(sum(quantity), 0) FROM counted"
TOTAL = _EVENTS + _COUNT
PAGE = (
    _EVENTS
    + """
SELECT request_id, admitted_at, kind, corrects, quantity FROM counted
WHERE quantity <> 0 AND (%(after)s::uuid IS NULL OR request_id > %(after)s)
ORDER BY request_id LIMIT %(size)s
"""
)
