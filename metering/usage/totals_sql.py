"""The SQL of totals: what all tenants used, and each in days and months of UTC.

A question over several tenants has bounds and days of UTC, which are billing days of
few of them. So events are summed once more: by hour over all tenants, and by day and
month of UTC for each key. Both know models and currencies, not prices: how many prices
there are costs a reader nothing. They move along a mark of their own, `totals_seq`;
what is above it is read from events, as rollups are.

Rows are written in the order of their keys: two rollers that touch the same ones in
another order would deadlock. All rollers touch the running hour, so this comes last in
their transaction.
"""

from metering.usage.report import Source
from metering.usage.report_sql import PART

_MEASURES = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "charge_picos",
)
_NAMES = ", ".join(_MEASURES)
_SUMS = ", ".join(f"sum({name}) AS {name}" for name in _MEASURES)


def _grown(table: str) -> str:
    return ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in _MEASURES)


# How many events days are ahead of totals: where many were rolled up before there were
# totals, answers come from elsewhere until these have caught up.
LAG = """
    SELECT coalesce(sum(greatest(rolled_seq - totals_seq, 0)), 0)::bigint
    FROM usage_rollupmark
"""

ADD_TOTALS = f"""
    WITH spent AS MATERIALIZED (
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
    sold AS MATERIALIZED (
        SELECT spent.*, price.model, book.currency
        FROM spent
        JOIN pricing_price price ON price.id = spent.price_id
        JOIN pricing_pricebookversion version ON version.id = price.version_id
        JOIN pricing_pricebook book ON book.id = version.book_id
    ),
    spans AS (
        INSERT INTO usage_utcrollup AS rollup (
            tenant_id, is_month, date, project_id, api_key_id, model, currency, {_NAMES}
        )
        SELECT tenant_id, span.is_month, span.date, project_id, api_key_id, model,
            currency, {_SUMS}
        FROM sold CROSS JOIN LATERAL (VALUES
            (false, (hour AT TIME ZONE 'UTC')::date),
            (true, date_trunc('month', hour AT TIME ZONE 'UTC')::date)
        ) AS span (is_month, date)
        GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
        ON CONFLICT (
            tenant_id, is_month, date, project_id, api_key_id, model, currency
        ) DO UPDATE SET {_grown("rollup")}
    ),
    hours AS (
        INSERT INTO usage_hourtotal AS total (hour, model, currency, {_NAMES})
        SELECT hour, model, currency, {_SUMS} FROM sold
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (hour, model, currency) DO UPDATE SET {_grown("total")}
    )
    SELECT coalesce(sum(events), 0)::bigint FROM sold
"""  # noqa: S608 - put together from constants of this module

# The tail of events above the marks, of all tenants; %(first)s and %(last)s bound the
# whole hours or days that totals are read for.
_TAIL = """
tail AS (
    SELECT NULL::date AS label, event.*
    FROM usage_epoch epoch
    LEFT JOIN usage_rollupmark mark ON mark.epoch_id = epoch.id
    CROSS JOIN LATERAL (
        SELECT * FROM usage_event event
        WHERE event.epoch_id = epoch.id AND event.seq > coalesce(mark.totals_seq, 0)
            AND event.admitted_at >= %(first)s AND event.admitted_at < %(last)s
        OFFSET 0
    ) event
    WHERE epoch.last_seq > coalesce(mark.totals_seq, 0)
),"""

# What the range cuts of its first and its last hour is counted from events.
_CUT_HOURS = """
piece AS (
    SELECT tenant.id AS tenant_id, NULL::date AS label, cut.since, cut.until
    FROM (VALUES
        (%(start)s::timestamptz, least(%(first)s::timestamptz, %(end)s)),
        (greatest(%(last)s::timestamptz, %(first)s), %(end)s::timestamptz)
    ) AS cut (since, until)
    CROSS JOIN tenants_tenant tenant
    WHERE cut.since < cut.until
),"""

_HOUR_TOTALS = """
    SELECT total.hour AS at, NULL::bigint AS tenant_id, NULL::bigint AS project_id,
        NULL::bigint AS api_key_id, total.model, total.currency, total.requests,
        total.input_tokens, total.cached_input_tokens, total.output_tokens,
        total.reasoning_tokens, total.charge_picos
    FROM usage_hourtotal total
    WHERE total.hour >= %(first)s AND total.hour < %(last)s
"""

# Days and months, added or taken away: a month less the days that the range leaves out
# is often fewer rows than the days that it holds. They are summed before anything is
# joined to them, by what the question divides by. Each span is looked up by itself: its
# rows are those of its index, however much else there is of other months.
_SPANS = """
    SELECT CASE WHEN %(by_day)s THEN rollup.date::timestamp AT TIME ZONE 'UTC' END,
        CASE WHEN %(by_tenant)s OR %(by_project)s THEN rollup.tenant_id END,
        CASE WHEN %(by_project)s THEN rollup.project_id END,
        CASE WHEN %(by_key)s OR %(of_members)s THEN rollup.api_key_id END,
        CASE WHEN %(by_model)s OR %(model)s::text IS NOT NULL THEN rollup.model END,
        rollup.currency,
        sum(asked.sign * rollup.requests), sum(asked.sign * rollup.input_tokens),
        sum(asked.sign * rollup.cached_input_tokens),
        sum(asked.sign * rollup.output_tokens),
        sum(asked.sign * rollup.reasoning_tokens),
        sum(asked.sign * rollup.charge_picos)
    FROM unnest(
        %(spans_are_months)s::boolean[], %(spans_first)s::date[], %(spans_end)s::date[],
        %(spans_sign)s::integer[]
    ) AS asked (is_month, first, until, sign)
    CROSS JOIN LATERAL (
        SELECT * FROM usage_utcrollup rollup
        WHERE rollup.is_month = asked.is_month
            AND rollup.date >= asked.first AND rollup.date < asked.until
            AND (%(tenants)s::bigint[] IS NULL OR rollup.tenant_id = ANY (%(tenants)s))
            AND (%(model)s::text IS NULL OR rollup.model = %(model)s)
        OFFSET 0
    ) AS rollup
    GROUP BY 1, 2, 3, 4, 5, 6
"""

_LOOSE = """
loose AS (
    SELECT event.admitted_at AS at, event.tenant_id, event.project_id, event.api_key_id,
        price.model, book.currency, (event.kind = 0)::integer AS requests,
        event.input_tokens, event.cached_input_tokens, event.output_tokens,
        event.reasoning_tokens, event.charge_picos::numeric AS charge_picos
    FROM ({raw}) event
    JOIN pricing_price price ON price.id = event.price_id
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    JOIN pricing_pricebook book ON book.id = version.book_id
    WHERE %(tenants)s::bigint[] IS NULL OR event.tenant_id = ANY (%(tenants)s)
),"""

# A group of which nothing is left has used nothing: it was only in a month that days
# were taken from.
_ANSWER = """
answer AS (
    SELECT CASE WHEN %(by_day)s THEN (fact.at AT TIME ZONE 'UTC')::date END AS day,
        CASE WHEN %(by_hour)s THEN date_bin('1 hour', fact.at, 'epoch'::timestamptz)
            END AS hour,
        CASE WHEN is_told AND %(by_tenant)s THEN fact.tenant_id END AS tenant_id,
        CASE WHEN is_told AND %(by_project)s THEN fact.project_id END AS project_id,
        CASE WHEN is_told AND %(by_key)s THEN fact.api_key_id END AS api_key_id,
        CASE WHEN is_told AND %(by_member)s THEN owner.member_id END AS member_id,
        CASE WHEN is_told AND %(by_model)s THEN fact.model END AS model,
        fact.currency, is_told,
        sum(fact.requests) AS requests, sum(fact.input_tokens) AS input_tokens,
        sum(fact.cached_input_tokens) AS cached_input_tokens,
        sum(fact.output_tokens) AS output_tokens,
        sum(fact.reasoning_tokens) AS reasoning_tokens,
        sum(fact.charge_picos) AS charge_picos
    FROM fact
    LEFT JOIN tenants_apikey owner ON %(of_members)s AND owner.id = fact.api_key_id
    CROSS JOIN LATERAL (
        SELECT %(among)s::text[] IS NULL OR concat_ws('|',
            CASE WHEN %(by_tenant)s THEN fact.tenant_id::text ELSE '' END,
            CASE WHEN %(by_project)s THEN fact.project_id::text ELSE '' END,
            CASE WHEN %(by_key)s THEN fact.api_key_id::text ELSE '' END,
            CASE WHEN %(by_member)s THEN coalesce(owner.member_id::text, '')
                ELSE '' END,
            CASE WHEN %(by_model)s THEN fact.model ELSE '' END
        ) = ANY (%(among)s) AS is_told
    ) AS among
    WHERE %(model)s::text IS NULL OR fact.model = %(model)s
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
    HAVING sum(fact.requests) <> 0 OR sum(fact.input_tokens) <> 0
        OR sum(fact.cached_input_tokens) <> 0 OR sum(fact.output_tokens) <> 0
        OR sum(fact.reasoning_tokens) <> 0 OR sum(fact.charge_picos) <> 0
)
SELECT answer.day, answer.hour, NULL::timestamptz, answer.tenant_id, tenant.slug,
    answer.project_id, project.slug, answer.api_key_id,
    api_key.name || ' (' || api_key.shown || ')', answer.member_id,
    coalesce(nullif(member.name, ''), nullif(member.email, ''),
        'member ' || member.id), answer.model, answer.currency,
    answer.requests, answer.input_tokens, answer.cached_input_tokens,
    answer.output_tokens, answer.reasoning_tokens, answer.charge_picos, answer.is_told
FROM answer
LEFT JOIN tenants_tenant tenant ON tenant.id = answer.tenant_id
LEFT JOIN tenants_project project ON project.id = answer.project_id
LEFT JOIN tenants_apikey api_key ON api_key.id = answer.api_key_id
LEFT JOIN tenants_member member ON member.id = answer.member_id
ORDER BY answer.day, answer.hour, tenant.slug, project.slug, api_key.name,
    answer.api_key_id, answer.member_id, answer.model, answer.currency
LIMIT %(limit)s
"""


def _statement(pieces: str, *, raw: str, summed: str) -> str:
    """Put a statement together; `raw` is where its events come from."""
    return f"""
WITH {pieces}{_LOOSE.format(raw=raw)}
fact AS (SELECT * FROM loose UNION ALL {summed}),{_ANSWER}"""  # noqa: S608 - constants


TOTALS = {
    Source.HOUR_TOTALS: _statement(
        f"{_TAIL}{_CUT_HOURS}{PART}",
        raw="SELECT * FROM tail UNION ALL SELECT * FROM part",
        summed=_HOUR_TOTALS,
    ),
    Source.UTC_DAYS: _statement(_TAIL, raw="SELECT * FROM tail", summed=_SPANS),
}
