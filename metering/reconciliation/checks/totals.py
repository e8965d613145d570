"""Checks of the sums over tenants: events counted afresh, and sums of sums.

Days of UTC are held against the events that they have taken; months, and the hours of
all tenants, against those days. Which hour of a day is held against hour rollups, while
both have come as far.
"""

from metering.reconciliation.checks.check import (
    Check,
    by_statement,
    of_tenant,
)
from metering.reconciliation.checks.events import IN_SCOPE, RATED

_COUNTS = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_MEASURES = (*_COUNTS, "charge_picos")
_SUMS = ", ".join(f"sum({name}) AS {name}" for name in _MEASURES)


def _written(table: str) -> str:
    """Return the expression that writes sums out; what is not there is all zeros."""
    counts = " || ' ' || ".join(f"coalesce({table}.{name}, 0)" for name in _COUNTS)
    return f"{counts} || ' for ' || coalesce({table}.charge_picos, 0) || ' picos'"


def _compared(key: str, subject: str, tenant: str = "tenant_id") -> str:
    """Return the differences of `recount` and `summed`, by a key and in its words."""
    return f"""
    SELECT {tenant} AS tenant_id, {subject} AS subject, expected, found FROM (
        SELECT {key}, {_written("recount")} AS expected, {_written("summed")} AS found
        FROM recount FULL JOIN summed USING ({key})
    ) AS compared WHERE expected <> found"""  # noqa: S608 - constants of this module


_WHOLE_DAY = """(
    (%(since)s::timestamptz IS NULL
        OR {date}::timestamp AT TIME ZONE 'UTC' >= %(since)s)
    AND (%(until)s::timestamptz IS NULL
        OR ({date} + 1)::timestamp AT TIME ZONE 'UTC' <= %(until)s)
)"""
_KEY = "tenant_id, date, project_id, api_key_id, model, currency"
_NAMED = "' project ' || project_id || ', key ' || api_key_id || ', ' || model"

_DAYS = f"""
WITH counted AS (
    SELECT event.tenant_id, (event.admitted_at AT TIME ZONE 'UTC')::date AS date,
        event.project_id, event.api_key_id, event.price_id, count(*) AS events,
        count(*) FILTER (WHERE event.kind = 0) AS requests,
        sum(event.input_tokens) AS input_tokens,
        sum(event.cached_input_tokens) AS cached_input_tokens,
        sum(event.output_tokens) AS output_tokens,
        sum(event.reasoning_tokens) AS reasoning_tokens
    FROM usage_event event
    JOIN usage_rollupmark mark ON mark.epoch_id = event.epoch_id
        AND event.seq <= mark.totals_seq
    WHERE {IN_SCOPE} GROUP BY 1, 2, 3, 4, 5
),
seen AS (SELECT coalesce(sum(events), 0)::bigint AS rows FROM counted),
recount AS (
    SELECT {_KEY}, {_SUMS}
    FROM (
        SELECT event.*, coalesce(price.model, '') AS model,
            coalesce(book.currency, '') AS currency,
            coalesce({RATED}, 0) AS charge_picos
        FROM counted event
        LEFT JOIN pricing_price price ON price.id = event.price_id
        LEFT JOIN pricing_pricebookversion version ON version.id = price.version_id
        LEFT JOIN pricing_pricebook book ON book.id = version.book_id
        WHERE {_WHOLE_DAY.format(date="event.date")}
    ) AS priced
    GROUP BY {_KEY}
),
summed AS (
    SELECT * FROM usage_utcrollup rollup WHERE NOT is_month
        AND {of_tenant("rollup")} AND {_WHOLE_DAY.format(date="rollup.date")}
),
difference AS ({_compared(_KEY, f"date || ', UTC,' || {_NAMED}")})
"""  # noqa: S608 - put together from the constants above

# Of each month that the scope touches all days are summed: they need no events.
_MONTHS = f"""
WITH day AS MATERIALIZED (
    SELECT *, date_trunc('month', date)::date AS month FROM usage_utcrollup rollup
    WHERE NOT is_month AND {of_tenant("rollup")}
        AND (%(since)s::timestamptz IS NULL
            OR date >= date_trunc('month', %(since)s AT TIME ZONE 'UTC'))
        AND (%(until)s::timestamptz IS NULL
            OR date_trunc('month', date) < %(until)s AT TIME ZONE 'UTC')
),
seen AS (SELECT count(*) AS rows FROM day),
recount AS (
    SELECT tenant_id, month AS date, project_id, api_key_id, model, currency, {_SUMS}
    FROM day GROUP BY 1, 2, 3, 4, 5, 6
),
summed AS (
    SELECT * FROM usage_utcrollup rollup
    WHERE is_month AND {of_tenant("rollup")}
        AND (%(since)s::timestamptz IS NULL
            OR date >= date_trunc('month', %(since)s AT TIME ZONE 'UTC'))
        AND (%(until)s::timestamptz IS NULL
            OR date < %(until)s AT TIME ZONE 'UTC')
),
difference AS ({_compared(_KEY, f"to_char(date, 'YYYY-MM') || ', UTC,' || {_NAMED}")})
"""  # noqa: S608 - put together from the constants above

_HOUR_NAMED = """to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')
    || ', all tenants, ' || model || ', ' || currency"""
# Of all tenants there is nothing to hold against what one of them used.
_IN_WINDOW = """%(tenant)s::bigint IS NULL
        AND (%(since)s::timestamptz IS NULL OR hour >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR hour + interval '1 hour' <= %(until)s)"""
_HOURS = f"""
WITH total AS MATERIALIZED (SELECT * FROM usage_hourtotal WHERE {_IN_WINDOW}),
seen AS (SELECT count(*) AS rows FROM total),
levelled AS (
    SELECT NOT EXISTS (
        SELECT FROM usage_rollupmark WHERE totals_seq <> hours_seq
    ) AS is_level
),
by_day AS (
    WITH recount AS (
        SELECT date, model, currency, {_SUMS} FROM usage_utcrollup
        WHERE NOT is_month AND %(tenant)s::bigint IS NULL
            AND {_WHOLE_DAY.format(date="date")}
        GROUP BY 1, 2, 3
    ),
    summed AS (
        SELECT (hour AT TIME ZONE 'UTC')::date AS date, model, currency, {_SUMS}
        FROM total
        WHERE {_WHOLE_DAY.format(date="(hour AT TIME ZONE 'UTC')::date")}
        GROUP BY 1, 2, 3
    )
    {
    _compared(
        "date, model, currency",
        "date || ', UTC, all tenants, ' || model || ', ' || currency",
        "NULL::bigint",
    )
}
),
by_hour AS (
    WITH recount AS (
        SELECT hour, price.model, book.currency, {_SUMS}
        FROM usage_hourrollup rollup
        JOIN pricing_price price ON price.id = rollup.price_id
        JOIN pricing_pricebookversion version ON version.id = price.version_id
        JOIN pricing_pricebook book ON book.id = version.book_id
        CROSS JOIN levelled
        WHERE levelled.is_level AND {_IN_WINDOW}
        GROUP BY 1, 2, 3
    ),
    summed AS (SELECT total.* FROM total CROSS JOIN levelled WHERE levelled.is_level)
    {
    _compared(
        "hour, model, currency",
        _HOUR_NAMED,
        "NULL::bigint",
    )
}
),
difference AS (SELECT * FROM by_day UNION ALL SELECT * FROM by_hour)
"""  # noqa: S608 - put together from the constants above

UTC_DAYS_ROLLED_UP = Check(
    name="utc_days_rolled_up",
    proves="Days of UTC are the sums of their events, by project, key and model.",
    look="admin:usage_epoch_changelist",
    run=by_statement(_DAYS),
)
UTC_MONTHS_SUMMED = Check(
    name="utc_months_summed",
    proves="Months of UTC are the sums of their days, by project, key and model.",
    look="admin:usage_epoch_changelist",
    run=by_statement(_MONTHS),
)
HOURS_TOTALLED = Check(
    name="hours_totalled",
    proves="What all tenants used in an hour is what each of them used.",
    look="admin:usage_epoch_changelist",
    run=by_statement(_HOURS),
)
