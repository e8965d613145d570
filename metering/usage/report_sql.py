"""The SQL of the usage report: one statement for each source of an answer.

One statement, so that rollups, marks and events are seen at the same instant: an event
is either rolled up or above its epoch's mark, never both and never neither.

A source says which rolled sums lie wholly inside the question's bounds, which tail of
events above the marks belongs to them, and which *pieces* of time are left. Whole days
are read from days; of a day that the bounds cut, and of hours asked for, whole hours
from hours; what is left of an hour at either end from events, found through bounds of
their ids, because only those prune partitions. A correction has an id of its own time,
but the side table finds it by the id that it corrects.

Hours come with keys or without. Those with keys begin with `kept_from`: what is before
is a piece. Where these or the cut hours of days lag far behind days, as after an
upgrade, no hour is read: the tail of all tenants would cost more than the pieces of a
few, which are as few as where no hours are kept.

`label` is a billing day. With `utc` the answer is by days of UTC instead: a billing day
is whole only where it is one, and the rest is told by its instant `at`. With `billing`
hours and events are cut at billing days.

`OFFSET 0` keeps the planner from joining all events to what are a few index scans.
"""

from dataclasses import dataclass, replace

from metering.usage.key_hours_sql import KEPT_FROM
from metering.usage.report import Source

_DAYS = """
day AS MATERIALIZED (
    SELECT tenant_id, date, starts_at, ends_at,
        greatest(starts_at, %(start)s) AS since, least(ends_at, %(end)s) AS until,
        starts_at >= %(start)s AND ends_at <= %(end)s AND (
            NOT %(utc)s OR (
                (starts_at AT TIME ZONE 'UTC')::time = '00:00'
                AND ends_at = starts_at + interval '24 hours'
            )
        ) AS whole
    FROM usage_billingday
    WHERE starts_at < %(end)s AND ends_at > %(start)s
        AND (%(tenant)s::bigint IS NULL OR tenant_id = %(tenant)s)
        AND (%(tenants)s::bigint[] IS NULL OR tenant_id = ANY (%(tenants)s))
),
rolled_days AS (
    SELECT day.date AS label, NULL::timestamptz AS at, rollup.tenant_id,
        rollup.project_id, rollup.api_key_id, rollup.price_id,
        CASE WHEN rollup.token_class = 0 THEN rollup.quantity ELSE 0 END,
        CASE WHEN rollup.token_class = 1 THEN rollup.quantity ELSE 0 END,
        CASE WHEN rollup.token_class = 2 THEN rollup.quantity ELSE 0 END,
        CASE WHEN rollup.token_class = 3 THEN rollup.quantity ELSE 0 END,
        CASE WHEN rollup.token_class = 4 THEN rollup.quantity ELSE 0 END,
        rollup.charge_picos
    FROM day
    JOIN usage_dayrollup rollup
        ON rollup.tenant_id = day.tenant_id AND rollup.date = day.date
    WHERE day.whole
),
tail_days AS (
    SELECT day.date AS label, event.*
    FROM usage_epoch epoch
    LEFT JOIN usage_rollupmark mark ON mark.epoch_id = epoch.id
    CROSS JOIN LATERAL (
        SELECT * FROM usage_event event
        WHERE event.epoch_id = epoch.id AND event.seq > coalesce(mark.rolled_seq, 0)
        OFFSET 0
    ) event
    JOIN day ON day.whole AND day.tenant_id = event.tenant_id
        AND event.admitted_at >= day.starts_at AND event.admitted_at < day.ends_at
    WHERE epoch.last_seq > coalesce(mark.rolled_seq, 0)
),
span AS MATERIALIZED (
    SELECT tenant_id, date AS label, since, until FROM day WHERE NOT whole
),"""

_SPAN = """
span AS MATERIALIZED (
    SELECT tenant_id, date AS label, greatest(starts_at, %(start)s) AS since,
        least(ends_at, %(end)s) AS until
    FROM usage_billingday
    WHERE %(billing)s AND tenant_id = %(tenant)s
        AND starts_at < %(end)s AND ends_at > %(start)s
    UNION ALL
    SELECT id, NULL, %(start)s, %(end)s FROM tenants_tenant
    WHERE NOT %(billing)s AND (%(tenant)s::bigint IS NULL OR id = %(tenant)s)
        AND (%(tenants)s::bigint[] IS NULL OR id = ANY (%(tenants)s))
),"""


@dataclass(frozen=True, slots=True)
class _Hours:
    """Where sums of hours are, how they name projects and keys, and their mark."""

    table: str
    keys: str
    mark: str
    # The first whole hour of a span, of which rows are there; none may be.
    first: str

    @property
    def source(self) -> str:
        """Return the part of a statement that reads the spans' hours.

        The whole hours of a span are `first` to `last`. Inside one hour `first` lies
        behind `last`, and all of the span is one piece. The outer bounds of the rolled
        hours are there for the index that begins with the hour.
        """
        return f"""
hours AS MATERIALIZED (
    SELECT span.*, {self.first} AS first,
        date_bin('1 hour', until, 'epoch'::timestamptz) AS last
    FROM span
),
rolled_hours AS (
    SELECT hours.label, rollup.hour AS at, rollup.tenant_id, {self.keys},
        rollup.price_id, rollup.requests, rollup.input_tokens,
        rollup.cached_input_tokens, rollup.output_tokens, rollup.reasoning_tokens,
        rollup.charge_picos
    FROM hours
    JOIN {self.table} rollup ON rollup.tenant_id = hours.tenant_id
        AND rollup.hour >= hours.first AND rollup.hour < hours.last
    WHERE rollup.hour >= %(start)s AND rollup.hour < %(end)s
),
tail_hours AS (
    SELECT hours.label, event.*
    FROM usage_epoch epoch
    LEFT JOIN usage_rollupmark mark ON mark.epoch_id = epoch.id
    CROSS JOIN LATERAL (
        SELECT * FROM usage_event event
        WHERE event.epoch_id = epoch.id AND event.seq > coalesce(mark.{self.mark}, 0)
        OFFSET 0
    ) event
    JOIN hours ON hours.tenant_id = event.tenant_id
        AND event.admitted_at >= hours.first AND event.admitted_at < hours.last
    WHERE epoch.last_seq > coalesce(mark.{self.mark}, 0)
        AND EXISTS (SELECT FROM hours WHERE first < last)
),
piece AS (
    SELECT tenant_id, label, since, least(first, until) AS until FROM hours
    WHERE since < least(first, until)
    UNION ALL
    SELECT tenant_id, label, last, until FROM hours
    WHERE first <= last AND last < until
),"""  # noqa: S608 - put together from constants of this module


_FIRST = "date_bin('1 hour', since + interval '1 hour - 1 us', 'epoch'::timestamptz)"


def _caught_up(mark: str) -> str:
    """Return before all instants, or after them where days are far ahead of a mark."""
    return f"""(
        SELECT CASE WHEN sum(greatest(rolled_seq - {mark}, 0)) > %(hours_lag_max)s
            THEN 'infinity'::timestamptz ELSE '-infinity' END
        FROM usage_rollupmark
    )"""  # noqa: S608 - put together from constants of this module


_HOURS = _Hours(
    table="usage_hourrollup",
    keys="NULL::bigint, NULL::bigint",
    mark="hours_seq",
    first=_FIRST,
)
_HOURS_OF_DAYS = replace(_HOURS, first=f"greatest({_FIRST}, {_caught_up('hours_seq')})")
_KEY_HOURS = _Hours(
    table="usage_keyhourrollup",
    keys="rollup.project_id, rollup.api_key_id",
    mark="keyed_seq",
    first=f"greatest({_FIRST}, {KEPT_FROM}, {_caught_up('keyed_seq')})",
)

_EVENTS = """
piece AS (
    SELECT * FROM span
),"""

PART = """
part AS (
    SELECT piece.label, event.*
    FROM piece CROSS JOIN LATERAL (
        SELECT * FROM usage_event event
        WHERE event.tenant_id = piece.tenant_id AND event.kind = 0
            AND event.request_id >= usage_uuid_floor(piece.since)
            AND event.request_id < usage_uuid_floor(piece.until + interval '1 ms')
            AND event.admitted_at >= piece.since AND event.admitted_at < piece.until
        OFFSET 0
    ) event
    UNION ALL
    SELECT piece.label, event.*
    FROM piece CROSS JOIN LATERAL (
        SELECT event.* FROM usage_correction correction
        JOIN usage_event event ON event.tenant_id = correction.tenant_id
            AND event.request_id = correction.request_id
        WHERE correction.tenant_id = piece.tenant_id
            AND correction.corrects >= usage_uuid_floor(piece.since)
            AND correction.corrects < usage_uuid_floor(piece.until + interval '1 ms')
            AND event.admitted_at >= piece.since AND event.admitted_at < piece.until
        OFFSET 0
    ) event
),"""

_ANSWER = """
answer AS (
    SELECT CASE WHEN NOT %(by_day)s THEN NULL
            WHEN %(utc)s AND fact.at IS NOT NULL
                THEN (fact.at AT TIME ZONE 'UTC')::date
            ELSE fact.label END AS day,
        CASE WHEN %(by_hour)s THEN date_bin('1 hour', fact.at, 'epoch'::timestamptz)
            END AS hour,
        CASE WHEN %(by_minute)s THEN date_bin('1 minute', fact.at, 'epoch'::timestamptz)
            END AS minute,
        CASE WHEN among.is_told AND %(by_tenant)s THEN fact.tenant_id END AS tenant_id,
        CASE WHEN among.is_told AND %(by_project)s THEN fact.project_id
            END AS project_id,
        CASE WHEN among.is_told AND %(by_key)s THEN fact.api_key_id END AS api_key_id,
        CASE WHEN among.is_told AND %(by_member)s THEN owner.member_id END AS member_id,
        CASE WHEN among.is_told AND %(by_model)s THEN price.model END AS model,
        book.currency, among.is_told,
        sum(fact.requests) AS requests, sum(fact.input_tokens) AS input_tokens,
        sum(fact.cached_input_tokens) AS cached_input_tokens,
        sum(fact.output_tokens) AS output_tokens,
        sum(fact.reasoning_tokens) AS reasoning_tokens,
        sum(fact.charge_picos) AS charge_picos
    FROM fact
    JOIN pricing_price price ON price.id = fact.price_id
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    JOIN pricing_pricebook book ON book.id = version.book_id
    LEFT JOIN tenants_apikey owner
        ON %(of_members)s AND owner.id = fact.api_key_id
    CROSS JOIN LATERAL (
        SELECT %(among)s::text[] IS NULL OR concat_ws('|',
            CASE WHEN %(by_tenant)s THEN fact.tenant_id::text ELSE '' END,
            CASE WHEN %(by_project)s THEN fact.project_id::text ELSE '' END,
            CASE WHEN %(by_key)s THEN fact.api_key_id::text ELSE '' END,
            CASE WHEN %(by_member)s THEN coalesce(owner.member_id::text, '')
                ELSE '' END,
            CASE WHEN %(by_model)s THEN price.model ELSE '' END
        ) = ANY (%(among)s) AS is_told
    ) among
    WHERE (%(project)s::bigint IS NULL OR fact.project_id = %(project)s)
        AND (%(key)s::bigint IS NULL OR fact.api_key_id = %(key)s)
        AND (%(member)s::bigint IS NULL OR owner.member_id = %(member)s)
        AND (%(reach)s::bigint[] IS NULL OR fact.project_id = ANY (%(reach)s))
        AND (%(model)s::text IS NULL OR price.model = %(model)s)
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
)
SELECT answer.day, answer.hour, answer.minute, answer.tenant_id, tenant.slug,
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
ORDER BY answer.day, answer.hour, answer.minute, tenant.slug, project.slug,
    api_key.name, answer.api_key_id, answer.member_id, answer.model, answer.currency
LIMIT %(limit)s
"""


def _statement(source: str, *, raw: str, rolled: str = "") -> str:
    """Put the statement of a source together; `raw` is where its events come from."""
    return f"""
WITH {source}{PART}
fact AS (
    SELECT label, admitted_at AS at, tenant_id, project_id, api_key_id, price_id,
        CASE WHEN kind = 0 THEN 1 ELSE 0 END AS requests, input_tokens,
        cached_input_tokens, output_tokens, reasoning_tokens,
        charge_picos::numeric AS charge_picos
    FROM ({raw}) event
    {rolled}
),{_ANSWER}"""  # noqa: S608 - put together from constants of this module


_OF_DAYS = {
    "raw": "SELECT * FROM tail_days UNION ALL SELECT * FROM tail_hours"
    " UNION ALL SELECT * FROM part",
    "rolled": "UNION ALL SELECT * FROM rolled_days"
    " UNION ALL SELECT * FROM rolled_hours",
}
_OF_HOURS = {
    "raw": "SELECT * FROM tail_hours UNION ALL SELECT * FROM part",
    "rolled": "UNION ALL SELECT * FROM rolled_hours",
}
_MINUTES = _statement(_SPAN + _EVENTS, raw="SELECT * FROM part")

# By source, and whether projects or keys are told apart.
USAGE = {
    (Source.DAYS, False): _statement(_DAYS + _HOURS_OF_DAYS.source, **_OF_DAYS),
    (Source.DAYS, True): _statement(_DAYS + _KEY_HOURS.source, **_OF_DAYS),
    (Source.HOURS, False): _statement(_SPAN + _HOURS.source, **_OF_HOURS),
    (Source.HOURS, True): _statement(_SPAN + _KEY_HOURS.source, **_OF_HOURS),
    (Source.EVENTS, False): _MINUTES,
    (Source.EVENTS, True): _MINUTES,
}
