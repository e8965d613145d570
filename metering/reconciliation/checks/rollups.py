"""Checks of the rollups: the events that were rolled up, counted afresh.

Only events up to the marks are counted: those above wait for the next run of the
rollup. A day is found by its stored instants: a billing day touches one or more dates
of UTC, and of those an event has one, which lets the two be joined by hashing.
"""

from metering.reconciliation.checks.check import (
    Check,
    by_statement,
    class_name,
    in_window,
    of_tenant,
)
from metering.reconciliation.checks.events import IN_SCOPE, RATED

# Common table expressions that give every event of the scope its billing day, and say
# whether it is rolled up. An event without a billing day is in every scope.
DATED = f"""
day AS MATERIALIZED (
    SELECT day.tenant_id, day.date, day.starts_at, day.ends_at,
        (day.starts_at AT TIME ZONE 'UTC')::date + step AS utc_date
    FROM usage_billingday day CROSS JOIN LATERAL generate_series(
        0, ((day.ends_at - interval '1 microsecond') AT TIME ZONE 'UTC')::date
            - (day.starts_at AT TIME ZONE 'UTC')::date
    ) AS step
    WHERE {of_tenant("day")}
        AND (%(since)s::timestamptz IS NULL OR day.ends_at > %(since)s)
        AND (%(until)s::timestamptz IS NULL OR day.starts_at < %(until)s)
),
dated AS (
    SELECT event.tenant_id, day.date, event.project_id, event.api_key_id,
        event.price_id, event.kind, event.input_tokens, event.cached_input_tokens,
        event.output_tokens, event.reasoning_tokens, event.charge_picos,
        event.seq <= coalesce(mark.rolled_seq, 0) AS is_rolled_up
    FROM usage_event event
    LEFT JOIN usage_rollupmark mark ON mark.epoch_id = event.epoch_id
    LEFT JOIN day ON day.tenant_id = event.tenant_id
        AND day.utc_date = (event.admitted_at AT TIME ZONE 'UTC')::date
        AND event.admitted_at >= day.starts_at AND event.admitted_at < day.ends_at
    WHERE {IN_SCOPE} AND (day.date IS NULL OR {in_window("day")})
)
"""  # noqa: S608 - put together from the constants above

_WHOLE_HOUR = """(
    (%(since)s::timestamptz IS NULL OR {table}.hour >= %(since)s)
    AND (%(until)s::timestamptz IS NULL
        OR {table}.hour + interval '1 hour' <= %(until)s)
)"""


def _measures(table: str) -> str:
    """Return the expression that writes an hour's sums out; no row is all zeros."""
    counts = (
        "requests",
        "input_tokens",
        "cached_input_tokens",
        "output_tokens",
        "reasoning_tokens",
    )
    written = " || ' ' || ".join(f"coalesce({table}.{name}, 0)" for name in counts)
    return f"{written} || ' for ' || coalesce({table}.charge_picos, 0) || ' picos'"


_DAYS = f"""
WITH {DATED},
counted AS (
    SELECT tenant_id, date, project_id, api_key_id, price_id, count(*) AS events,
        count(*) FILTER (WHERE kind = 0) AS requests,
        sum(input_tokens) AS input_tokens,
        sum(cached_input_tokens) AS cached_input_tokens,
        sum(output_tokens) AS output_tokens, sum(reasoning_tokens) AS reasoning_tokens
    FROM dated WHERE is_rolled_up GROUP BY 1, 2, 3, 4, 5
),
seen AS (SELECT coalesce(sum(events), 0)::bigint AS rows FROM counted),
recount AS (
    SELECT counted.tenant_id, counted.date, counted.project_id, counted.api_key_id,
        counted.price_id, class.token_class, class.quantity,
        class.quantity::numeric * coalesce(class.unit_picos, 0) AS charge_picos
    FROM counted
    LEFT JOIN pricing_price price ON price.id = counted.price_id
    CROSS JOIN LATERAL (VALUES
        (0, counted.requests, 0::bigint),
        (1, counted.input_tokens, price.input_picos),
        (2, counted.cached_input_tokens, price.cached_input_picos),
        (3, counted.output_tokens, price.output_picos),
        (4, counted.reasoning_tokens, 0::bigint)
    ) AS class (token_class, quantity, unit_picos)
    WHERE class.quantity <> 0
),
rolled AS (SELECT * FROM usage_dayrollup rollup WHERE {in_window("rollup")}),
difference AS (
    SELECT coalesce(recount.tenant_id, rolled.tenant_id) AS tenant_id,
        coalesce(coalesce(recount.date, rolled.date)::text, 'no billing day')
            || ', project ' || coalesce(recount.project_id, rolled.project_id)
            || ', key ' || coalesce(recount.api_key_id, rolled.api_key_id)
            || ', price ' || coalesce(recount.price_id, rolled.price_id) || ', '
            || {class_name("coalesce(recount.token_class, rolled.token_class)")}
            AS subject,
        coalesce(recount.quantity, 0) || ' for '
            || coalesce(recount.charge_picos, 0) || ' picos' AS expected,
        coalesce(rolled.quantity, 0) || ' for '
            || coalesce(rolled.charge_picos, 0) || ' picos' AS found
    FROM recount FULL JOIN rolled ON rolled.tenant_id = recount.tenant_id
        AND rolled.date = recount.date AND rolled.project_id = recount.project_id
        AND rolled.api_key_id = recount.api_key_id
        AND rolled.price_id = recount.price_id
        AND rolled.token_class = recount.token_class
    WHERE coalesce(recount.quantity, 0) <> coalesce(rolled.quantity, 0)
        OR coalesce(recount.charge_picos, 0) <> coalesce(rolled.charge_picos, 0)
)
"""  # noqa: S608 - put together from the constants above

# Hours have a mark of their own, and rows for the events of whole hours of the scope.
_HOURS = f"""
WITH event AS (
    SELECT event.tenant_id, event.price_id, event.kind, event.input_tokens,
        event.cached_input_tokens, event.output_tokens, event.reasoning_tokens,
        date_bin('1 hour', event.admitted_at, 'epoch'::timestamptz) AS hour
    FROM usage_event event
    JOIN usage_rollupmark mark ON mark.epoch_id = event.epoch_id
        AND event.seq <= mark.hours_seq
    WHERE {IN_SCOPE}
),
counted AS (
    SELECT tenant_id, hour, price_id, count(*) AS events,
        count(*) FILTER (WHERE kind = 0) AS requests,
        sum(input_tokens) AS input_tokens,
        sum(cached_input_tokens) AS cached_input_tokens,
        sum(output_tokens) AS output_tokens, sum(reasoning_tokens) AS reasoning_tokens
    FROM event WHERE {_WHOLE_HOUR.format(table="event")} GROUP BY 1, 2, 3
),
seen AS (SELECT coalesce(sum(events), 0)::bigint AS rows FROM counted),
recount AS (
    SELECT event.*, coalesce({RATED}, 0) AS charge_picos
    FROM counted event LEFT JOIN pricing_price price ON price.id = event.price_id
),
rolled AS (
    SELECT * FROM usage_hourrollup rollup
    WHERE {of_tenant("rollup")} AND {_WHOLE_HOUR.format(table="rollup")}
),
compared AS (
    SELECT tenant_id, hour, price_id,
        {_measures("recount")} AS expected, {_measures("rolled")} AS found
    FROM recount FULL JOIN rolled USING (tenant_id, hour, price_id)
),
difference AS (
    SELECT tenant_id, to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')
            || ', price ' || price_id AS subject, expected, found
    FROM compared WHERE expected <> found
)
"""  # noqa: S608 - put together from the constants above

# Hours by project and key likewise, of the hours that are kept: no event of them has an
# id from before. Without the bound nobody knows which these are.
_KEY_HOURS = f"""
WITH event AS (
    SELECT event.tenant_id, event.project_id, event.api_key_id, event.price_id,
        event.kind, event.input_tokens, event.cached_input_tokens, event.output_tokens,
        event.reasoning_tokens,
        date_bin('1 hour', event.admitted_at, 'epoch'::timestamptz) AS hour
    FROM usage_event event
    JOIN usage_rollupmark mark ON mark.epoch_id = event.epoch_id
        AND event.seq <= mark.keyed_seq
    WHERE {IN_SCOPE}
        AND event.request_id
            >= usage_uuid_floor((SELECT kept_from FROM usage_keyhourspan))
        AND event.admitted_at >= (SELECT kept_from FROM usage_keyhourspan)
),
counted AS (
    SELECT tenant_id, hour, project_id, api_key_id, price_id, count(*) AS events,
        count(*) FILTER (WHERE kind = 0) AS requests,
        sum(input_tokens) AS input_tokens,
        sum(cached_input_tokens) AS cached_input_tokens,
        sum(output_tokens) AS output_tokens, sum(reasoning_tokens) AS reasoning_tokens
    FROM event WHERE {_WHOLE_HOUR.format(table="event")} GROUP BY 1, 2, 3, 4, 5
),
seen AS (SELECT coalesce(sum(events), 0)::bigint AS rows FROM counted),
recount AS (
    SELECT event.*, coalesce({RATED}, 0) AS charge_picos
    FROM counted event LEFT JOIN pricing_price price ON price.id = event.price_id
),
rolled AS (
    SELECT * FROM usage_keyhourrollup rollup
    WHERE {of_tenant("rollup")} AND {_WHOLE_HOUR.format(table="rollup")}
        AND hour >= (SELECT kept_from FROM usage_keyhourspan)
),
compared AS (
    SELECT tenant_id, hour, project_id, api_key_id, price_id,
        {_measures("recount")} AS expected, {_measures("rolled")} AS found
    FROM recount
    FULL JOIN rolled USING (tenant_id, hour, project_id, api_key_id, price_id)
),
difference AS (
    SELECT tenant_id, to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')
            || ', project ' || project_id || ', key ' || api_key_id
            || ', price ' || price_id AS subject, expected, found
    FROM compared WHERE expected <> found
    UNION ALL
    SELECT NULL, 'hours by key', 'an hour from which on they are kept', 'none'
    WHERE NOT EXISTS (SELECT FROM usage_keyhourspan)
)
"""  # noqa: S608 - put together from the constants above

# What is before a tenant's first day or after its last is no matter: an event there
# has no billing day, and is found by the recount.
_JOINED = f"""
WITH joined AS (
    SELECT day.tenant_id, day.date, day.starts_at,
        lag(day.ends_at) OVER (PARTITION BY tenant_id ORDER BY date) AS before
    FROM usage_billingday day WHERE {of_tenant("day")}
),
seen AS (SELECT count(*) AS rows FROM joined),
difference AS (
    SELECT joined.tenant_id, 'billing day ' || joined.date AS subject,
        'a start at ' || before AS expected, 'a start at ' || starts_at AS found
    FROM joined WHERE starts_at <> before AND {in_window("joined")}
)
"""  # noqa: S608 - put together from the constants above

DAYS_JOIN = Check(
    name="days_join",
    proves="Every billing day begins at the instant at which the one before ends.",
    look="admin:tenants_tenant_changelist",
    run=by_statement(_JOINED),
)
DAYS_ROLLED_UP = Check(
    name="days_rolled_up",
    proves="Day rollups are the sums of their events, by project, key, price, class.",
    look="admin:usage_epoch_changelist",
    run=by_statement(_DAYS),
)
HOURS_ROLLED_UP = Check(
    name="hours_rolled_up",
    proves="Hour rollups are the sums of their events, by tenant and price.",
    look="admin:usage_epoch_changelist",
    run=by_statement(_HOURS),
)
KEY_HOURS_ROLLED_UP = Check(
    name="key_hours_rolled_up",
    proves="Hours by key that are kept are the sums of their events.",
    look="admin:usage_epoch_changelist",
    run=by_statement(_KEY_HOURS),
)
