"""The SQL of the meter, tested against the migrated schema.

The epoch row is the only fence: what is written requires it to be open. A batch takes
effect only where `last_seq` stands just before its first number, so a batch of unknown
outcome may be sent again unchanged.
"""

import struct
from uuid import UUID

import psycopg

# What an event's own values cause, here or in the database. Anything else is the
# database's present state, and no reason to give an event up.
FAULT_OF_AN_EVENT = (psycopg.DataError, psycopg.IntegrityError, struct.error)

# The epoch left behind ends with the counts of what it settled itself: the rest goes on
# in the new one, and its completeness with it.
OPEN_EPOCH = """
WITH fenced AS (
    UPDATE usage_epoch
    SET state = 'closed', closed_at = coalesce(closed_at, clock_timestamp()),
        admitted = CASE id WHEN %(previous)s THEN %(admitted)s ELSE admitted END,
        voided = CASE id WHEN %(previous)s THEN %(voided)s ELSE voided END,
        open_since = CASE id WHEN %(previous)s THEN NULL ELSE open_since END
    WHERE gateway = %(gateway)s AND (state = 'open' OR id = %(previous)s)
)
, forgotten AS (
    -- What its last checkpoint tells goes on in the new epoch.
    DELETE FROM usage_checkpoint WHERE epoch_id = %(previous)s
)
INSERT INTO usage_epoch (
    gateway, epoch, state, last_seq, admitted, settled, voided,
    started_at, heartbeat_at, open_since
)
SELECT %(gateway)s, coalesce(max(epoch), 0) + 1, 'open', 0, 0, 0, 0,
       clock_timestamp(), clock_timestamp(),
       coalesce(to_timestamp(%(open_since_us)s::bigint / 1000000.0), clock_timestamp())
FROM usage_epoch WHERE gateway = %(gateway)s
RETURNING id, (extract(epoch FROM started_at) * 1000000)::bigint
"""

# Also for an epoch that was closed from outside: only its process knows its counts.
CLOSE_EPOCH = """
WITH forgotten AS (DELETE FROM usage_checkpoint WHERE epoch_id = %(epoch_id)s)
UPDATE usage_epoch
SET state = 'closed', closed_at = coalesce(closed_at, clock_timestamp()),
    admitted = %(admitted)s, voided = %(voided)s, open_since = NULL
WHERE id = %(epoch_id)s
RETURNING last_seq
"""

# Returns the database's clock and the epoch's last number, or nothing when the epoch
# was closed from outside.
# All that was admitted before `open_since` is committed; it is never left empty, since
# a commit moves `heartbeat_at` on without knowing what was admitted meanwhile.
# With `slots`, they are what the reaper will go by if nothing more is heard.
HEARTBEAT = """
WITH beat AS (
    UPDATE usage_epoch
    SET heartbeat_at = clock_timestamp(), admitted = %(admitted)s, voided = %(voided)s,
        open_since = coalesce(
            to_timestamp(%(open_since_us)s::bigint / 1000000.0), clock_timestamp()
        )
    WHERE id = %(epoch_id)s AND state = 'open'
    RETURNING id, last_seq
), noted AS (
    INSERT INTO usage_checkpoint (epoch_id, slots, noted_at)
    SELECT id, %(slots)s::bytea, clock_timestamp() FROM beat
    WHERE %(slots)s::bytea IS NOT NULL
    ON CONFLICT (epoch_id)
        DO UPDATE SET slots = excluded.slots, noted_at = excluded.noted_at
)
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, last_seq FROM beat
"""

EPOCH_STATE = "SELECT state, last_seq FROM usage_epoch WHERE id = %(epoch_id)s"

# By name too: after a restart of the server the number may be somebody else's.
TERMINATE = """
SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
WHERE pid = %(pid)s AND application_name = left(%(name)s, 63)
"""

COLUMNS: tuple[tuple[str, str], ...] = (
    ("tenant_id", "bigint"),
    ("request_id", "uuid"),
    ("seq", "bigint"),
    ("admitted_us", "bigint"),
    ("project_id", "bigint"),
    ("api_key_id", "bigint"),
    ("price_id", "bigint"),
    ("replica_id", "bigint"),
    ("charge_picos", "bigint"),
    ("first_token_us", "bigint"),
    ("duration_us", "bigint"),
    ("queue_us", "bigint"),
    ("last_token_us", "bigint"),
    ("chunks", "integer"),
    ("gap_max_us", "bigint"),
    ("attempts", "smallint"),
    ("held_input_tokens", "integer"),
    ("held_output_tokens", "integer"),
    ("keyed", "smallint"),
    ("input_tokens", "integer"),
    ("cached_input_tokens", "integer"),
    ("output_tokens", "integer"),
    ("reasoning_tokens", "integer"),
    ("generated_tokens", "integer"),
    ("kind", "smallint"),
    ("status", "smallint"),
    ("counted_by", "smallint"),
    ("surface", "smallint"),
    ("streamed", "boolean"),
    ("corrects", "uuid"),
)
# An array without a single value has no type to prepare for, so absence travels as a
# value.
NO_FIGURE = -1
NO_EVENT = UUID(int=0)
_NAMES = ", ".join(name for name, _ in COLUMNS)
_ARRAYS = ", ".join(f"%({name})b::{kind}[]" for name, kind in COLUMNS)
# What may be unknown, as no time or count can be.
_MAY_LACK = (
    *("first_token_us", "queue_us", "last_token_us", "chunks", "gap_max_us"),
    *("attempts", "held_input_tokens", "held_output_tokens", "keyed"),
)
_LACKING = ", ".join(_MAY_LACK)
_NULLED = ", ".join(f"nullif({name}, {NO_FIGURE})" for name in _MAY_LACK)
_AS_IS = ", ".join(
    name for name, _ in COLUMNS if name not in {"admitted_us", "corrects", *_MAY_LACK}
)

# One statement: the fence, the events, the side table of corrections. A duplicate event
# raises and takes the whole batch back; the caller then finds out which one it was.
# The trigger that posts to budgets is told what the batch used of leases.
# Bytes, because psycopg's types take a text for a query only where it is one literal.
COMMIT_BATCH = f"""
WITH fence AS (
    UPDATE usage_epoch
    SET last_seq = %(last)s, settled = settled + %(settled)s,
        admitted = greatest(admitted, %(admitted)s),
        voided = greatest(voided, %(voided)s),
        heartbeat_at = clock_timestamp()
    WHERE id = %(epoch_id)s AND state = 'open' AND last_seq = %(first)s - 1
    RETURNING id
), batch AS (
    SELECT fence.id AS epoch_id, event.*
    FROM fence, unnest({_ARRAYS}) AS event({_NAMES})
), stored AS (
    INSERT INTO usage_event (
        epoch_id, admitted_at, {_LACKING}, corrects, {_AS_IS}
    )
    SELECT epoch_id,
           'epoch'::timestamptz + admitted_us * interval '1 microsecond',
           {_NULLED},
           nullif(corrects, '{NO_EVENT}'),
           {_AS_IS}
    FROM batch ORDER BY tenant_id, request_id
    RETURNING 1
), corrected AS (
    INSERT INTO usage_correction (tenant_id, corrects, kind, source, request_id)
    -- Each epoch may find a request's bill behind once: LATE is 1.
    SELECT tenant_id, corrects, kind,
           CASE kind WHEN 1 THEN 'gateway ' || epoch_id ELSE 'gateway' END, request_id
    FROM batch WHERE corrects <> '{NO_EVENT}'
)
SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM stored),
       set_config('tollgate.spent', %(spent)s::text, true)
""".encode()  # noqa: S608 (names of our own)
