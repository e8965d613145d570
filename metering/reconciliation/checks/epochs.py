"""Checks of what gateways committed: counts and numbers of their epochs.

An epoch's row and its events are committed together, so its numbers hold at any
instant, open or not. What it admitted and voided is only known as of its last
heartbeat: for an open epoch nothing follows from it; an epoch that its own process
closed has settled or voided all it admitted; one that was closed from outside, because
its process fell silent, may have settled more than it had said, never less.
"""

from metering.reconciliation.checks.check import Check, by_statement

# Epochs that were at work in the window.
EPOCHS_AT_WORK = """
epoch AS (
    SELECT *, 'epoch ' || gateway || '#' || epoch AS name FROM usage_epoch
    WHERE (%(until)s::timestamptz IS NULL OR started_at < %(until)s)
        AND (%(since)s::timestamptz IS NULL OR heartbeat_at >= %(since)s)
)
"""

# The process itself leaves its last words without an `open_since`.
_COUNTED = f"""
WITH {EPOCHS_AT_WORK},
closed AS (SELECT * FROM epoch WHERE state = 'closed'),
seen AS (SELECT count(*) AS rows FROM closed),
difference AS (
    SELECT NULL::bigint AS tenant_id, name AS subject,
        admitted || ' admitted' AS expected,
        settled || ' settled and ' || voided || ' voided' AS found
    FROM closed
    WHERE admitted > settled + voided
        OR (admitted < settled + voided AND open_since IS NULL)
)
"""  # noqa: S608 - put together from the constants above

_NUMBERED = f"""
WITH {EPOCHS_AT_WORK},
numbered AS (
    SELECT epoch_id, seq, lag(seq, 1, 0::bigint) OVER (
        PARTITION BY epoch_id ORDER BY seq
    ) AS before
    FROM usage_event WHERE epoch_id IN (SELECT id FROM epoch)
),
counted AS (
    SELECT epoch_id, count(*) AS events, max(seq) AS last
    FROM usage_event WHERE epoch_id IN (SELECT id FROM epoch) GROUP BY epoch_id
),
seen AS (SELECT coalesce(sum(events), 0)::bigint AS rows FROM counted),
broken AS (
    SELECT epoch_id, before, seq FROM numbered WHERE seq <> before + 1
),
wrong AS (
    SELECT epoch_id, 'number ' || seq AS number, 'one event' AS expected,
        'another one' AS found
    FROM broken WHERE seq <= before
    UNION ALL
    SELECT epoch_id, 'numbers ' || before + 1 || ' to ' || seq - 1,
        seq - before - 1 || ' events', 'none'
    FROM broken WHERE seq > before + 1
    UNION ALL
    SELECT id, 'numbers ' || coalesce(last, 0) + 1 || ' to ' || last_seq,
        last_seq - coalesce(last, 0) || ' events', 'none'
    FROM epoch LEFT JOIN counted ON counted.epoch_id = epoch.id
    WHERE last_seq > coalesce(last, 0)
    UNION ALL
    SELECT id, 'numbers after ' || last_seq, 'none', 'events up to ' || last
    FROM epoch JOIN counted ON counted.epoch_id = epoch.id WHERE last > last_seq
),
difference AS (
    SELECT NULL::bigint AS tenant_id, name || ', ' || number AS subject, expected, found
    FROM wrong JOIN epoch ON epoch.id = wrong.epoch_id
    UNION ALL
    SELECT NULL, 'epoch ' || event.epoch_id, 'an epoch', count(*) || ' events of none'
    FROM usage_event event
    WHERE NOT EXISTS (SELECT FROM usage_epoch WHERE id = event.epoch_id)
        AND (%(since)s::timestamptz IS NULL
            OR event.request_id >= usage_uuid_floor(%(since)s))
    GROUP BY event.epoch_id
)
"""  # noqa: S608 - put together from the constants above

_SETTLED = f"""
WITH {EPOCHS_AT_WORK},
counted AS (
    SELECT epoch_id, count(*) AS requests FROM usage_event
    WHERE kind = 0 GROUP BY epoch_id
),
seen AS (SELECT count(*) AS rows FROM epoch),
difference AS (
    SELECT NULL::bigint AS tenant_id, epoch.name AS subject,
        epoch.settled || ' settled' AS expected,
        coalesce(counted.requests, 0) || ' requests' AS found
    FROM epoch LEFT JOIN counted ON counted.epoch_id = epoch.id
    WHERE epoch.settled <> coalesce(counted.requests, 0)
)
"""  # noqa: S608 - put together from the constants above

EPOCHS_COUNTED = Check(
    name="epochs_counted",
    proves="A closed epoch settled or voided every request that it admitted.",
    look="admin:usage_epoch_changelist",
    run=by_statement(_COUNTED),
    is_of_tenants=False,
)
EPOCHS_NUMBERED = Check(
    name="epochs_numbered",
    proves="The events of every epoch are numbered 1 to its last, each once.",
    look="admin:usage_epoch_changelist",
    run=by_statement(_NUMBERED),
    is_of_tenants=False,
)
EPOCHS_SETTLED = Check(
    name="epochs_settled",
    proves="Every request that an epoch settled has exactly one event.",
    look="admin:usage_epoch_changelist",
    run=by_statement(_SETTLED),
    is_of_tenants=False,
)
