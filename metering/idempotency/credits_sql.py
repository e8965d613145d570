"""The SQL of credits: which attempts can be judged, how they were, what is old.

Events are found by key only: their table is partitioned, and far larger than these.
"""

# An attempt can be judged once it has an event and so has a later attempt of its key.
# OFFSET keeps the planner from joining the tables of events as a whole.
READY = """
    SELECT retry.tenant_id, retry.key_digest, retry.first_admitted_at, retry.number,
        retry.request_id, ended.status = ANY (%(ours)s),
        (
            SELECT count(*) FROM idempotency_retry credited
            WHERE credited.tenant_id = retry.tenant_id
                AND credited.key_digest = retry.key_digest
                AND credited.first_admitted_at = retry.first_admitted_at
                AND credited.credit IS NOT NULL
        )
    FROM idempotency_retry retry
    CROSS JOIN LATERAL (
        SELECT event.status FROM usage_event event
        WHERE event.tenant_id = retry.tenant_id
            AND event.request_id = retry.request_id AND event.kind = 0
        OFFSET 0
    ) AS ended
    WHERE retry.judged_at IS NULL AND EXISTS (
        SELECT FROM idempotency_retry later
        CROSS JOIN LATERAL (
            SELECT FROM usage_event event
            WHERE event.tenant_id = later.tenant_id
                AND event.request_id = later.retried_by
            OFFSET 0
        ) AS ran
        WHERE later.tenant_id = retry.tenant_id
            AND later.key_digest = retry.key_digest
            AND later.first_admitted_at = retry.first_admitted_at
            AND later.number >= retry.number
        OFFSET 0
    )
    ORDER BY retry.tenant_id, retry.first_admitted_at, retry.number
    LIMIT %(limit)s
"""

JUDGED = """
    UPDATE idempotency_retry retry SET judged_at = %(now)s, credit = judged.credit
    FROM unnest(
        %(tenant_ids)s::bigint[], %(requests)s::uuid[], %(keys)s::bytea[],
        %(firsts)s::timestamptz[], %(numbers)s::integer[], %(credits)s::smallint[]
    ) AS judged (tenant_id, request_id, key_digest, first_admitted_at, number, credit)
    WHERE retry.tenant_id = judged.tenant_id AND retry.key_digest = judged.key_digest
        AND retry.first_admitted_at = judged.first_admitted_at
        AND retry.number = judged.number AND retry.request_id = judged.request_id
"""

# The condition stands twice: what a gateway claims anew meanwhile is not deleted.
PURGE_CLAIMS = """
    DELETE FROM idempotency_claim
    WHERE first_admitted_at <= %(before)s AND (tenant_id, key_digest) IN (
        SELECT tenant_id, key_digest FROM idempotency_claim
        WHERE first_admitted_at <= %(before)s ORDER BY first_admitted_at LIMIT %(limit)s
    )
"""

PURGE_RETRIES = """
    DELETE FROM idempotency_retry
    WHERE (tenant_id, key_digest, first_admitted_at, number) IN (
        SELECT tenant_id, key_digest, first_admitted_at, number FROM idempotency_retry
        WHERE first_admitted_at <= %(before)s ORDER BY first_admitted_at LIMIT %(limit)s
    )
"""
