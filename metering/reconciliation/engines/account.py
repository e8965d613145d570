"""Hold what engines counted against what was metered, between any two readings.

Between two readings of one process lies a *span*. A request that lies within it whole
was counted in it; one that reaches over an edge was in flight there, and counts with
anything between nothing and all of it. To that come the differences that are known of
the engine. What lies outside is a difference. Spans are held apart, hour by hour, where
they are sharpest, and the whole life of a process besides, where edges weigh least.

Failure: none of its own. Readings that may yet be joined by commits are left out: usage
must be complete to them.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from kit.contracts import EventKind, EventStatus
from kit.orm.atomic import cursor
from metering.reconciliation.checks.check import Scope
from metering.reconciliation.engines.known import RULES, EngineRules
from metering.usage.epochs import complete_to

# A count follows its last token by as much, at most.
_SETTLES_IN = "interval '1 second'"
# No request takes longer: what began earlier is in no span.
_REQUEST_TIME_MAX = "6 hours"

_SPANS = f"""
WITH bounds AS (
    SELECT coalesce(%(since)s::timestamptz, '-infinity') AS since,
        least(coalesce(%(until)s::timestamptz, 'infinity'), %(complete_to)s) AS until
),
reading AS (
    SELECT reading.*, process.engine, process.address, process.number,
        reading.asked_at - {_SETTLES_IN} AS least_at
    FROM reconciliation_enginereading reading
    JOIN reconciliation_engineprocess process ON process.id = reading.process_id, bounds
    WHERE NOT process.is_shared AND reading.answered_at BETWEEN since AND until
),
ranked AS (
    SELECT *, row_number() OVER (
            PARTITION BY process_id, date_trunc('hour', answered_at, 'UTC')
            ORDER BY is_start DESC, running > 0, answered_at, id) AS in_hour,
        row_number() OVER (PARTITION BY process_id ORDER BY answered_at, id) AS up,
        row_number() OVER (
            PARTITION BY process_id ORDER BY answered_at DESC, id DESC) AS down
    FROM reading
),
edge AS (
    SELECT *, lag(id) OVER inside AS before_id FROM ranked
    WHERE 1 IN (in_hour, up, down)
    WINDOW inside AS (PARTITION BY process_id ORDER BY answered_at, id)
),
pair AS (
    SELECT before_id AS from_id, id AS to_id, false AS is_whole FROM edge
    WHERE before_id IS NOT NULL
    UNION ALL
    SELECT first.id, last.id, true FROM edge first
    JOIN edge last ON last.process_id = first.process_id AND last.down = 1
    WHERE first.up = 1 AND last.id <> first.id
),
span AS MATERIALIZED (
    SELECT row_number() OVER () AS id, pair.is_whole, a.process_id, a.engine,
        a.address, a.number, a.least_at AS begins_least, a.answered_at AS begins_most,
        b.least_at AS ends_least, b.answered_at AS ends_most,
        b.prompt_tokens - a.prompt_tokens AS prompt_tokens,
        b.generated_tokens - a.generated_tokens AS generated_tokens,
        b.preemptions - a.preemptions AS preemptions,
        b.extra_samples - a.extra_samples AS extra_samples, b.samples_max,
        greatest(a.context_tokens, b.context_tokens) AS context_tokens,
        greatest(a.answer_tokens_max, b.answer_tokens_max) AS answer_tokens_max,
        a.replica_ids AS began_with, b.replica_ids AS ended_with
    FROM pair JOIN reading a ON a.id = pair.from_id JOIN reading b ON b.id = pair.to_id
)
"""  # noqa: S608 - put together from the constants above

_SUMMED = (
    "requests",
    "prompt",
    "generated",
    "delivered",
    "edge_requests",
    "edge_prompt",
    "edge_generated",
    "cut_prompt",
    "cut_streams",
    "cut_answers",
    "unknown_prompts",
    "longest_prompt",
)
_SUMS = ", ".join(f"coalesce(summed.{name}, 0)::bigint" for name in _SUMMED)

# Joined by replica and hour, which can be hashed: a request that reaches over several
# hours meets a span in the first hour that both have. Replica 0 is that of a request
# whose gateway died before it had told its journal who answers: it may have been any,
# until the request was settled.
_COUNTED = f"""
{_SPANS},
place AS (
    SELECT span.id AS span_id, replica_id, hour,
        hour = date_trunc('hour', begins_least, 'UTC') AS is_first,
        replica_id = ANY (began_with) AND replica_id = ANY (ended_with) AS is_steady
    FROM span,
        (SELECT DISTINCT unnest(began_with || ended_with || 0::bigint), id FROM span)
            AS each (replica_id, span_id),
        generate_series(date_trunc('hour', begins_least, 'UTC'), ends_most,
            interval '1 hour') AS hour
    WHERE each.span_id = span.id
),
work AS (
    SELECT event.replica_id, event.admitted_at AS began_at,
        CASE WHEN event.replica_id = 0 THEN event.committed_at ELSE
            event.admitted_at + event.duration_us * interval '1 microsecond'
            END AS ended_at,
        CASE WHEN event.kind = {EventKind.UNDELIVERED} THEN 0
            ELSE event.input_tokens + event.cached_input_tokens END AS prompt,
        event.output_tokens AS output, event.generated_tokens AS generated,
        event.streamed, event.kind = {EventKind.REQUEST} AS is_request,
        event.kind = {EventKind.REQUEST} AND event.status <> {EventStatus.OK} AS is_cut
    FROM usage_event event
    WHERE event.kind IN
            ({EventKind.REQUEST}, {EventKind.LATE}, {EventKind.UNDELIVERED})
        AND event.request_id >= usage_uuid_floor(
            (SELECT min(begins_least) FROM span) - %(request_time_max)s::interval)
        AND event.admitted_at < (SELECT max(ends_most) FROM span)
),
met AS (
    SELECT span.id, work.*, place.is_steady AND work.began_at >= span.begins_most
        AND work.ended_at <= span.ends_least AS is_inside
    FROM work
    CROSS JOIN LATERAL generate_series(date_trunc('hour', work.began_at, 'UTC'),
        work.ended_at, interval '1 hour') AS at (hour)
    JOIN place ON place.replica_id = work.replica_id AND place.hour = at.hour
        AND (place.is_first OR at.hour = date_trunc('hour', work.began_at, 'UTC'))
    JOIN span ON span.id = place.span_id
        AND work.began_at < span.ends_most AND work.ended_at > span.begins_least
),
summed AS (
    SELECT id, count(*) FILTER (WHERE is_request AND is_inside) AS requests,
        sum(prompt) FILTER (WHERE is_inside) AS prompt,
        sum(generated) FILTER (WHERE is_inside) AS generated,
        sum(output) FILTER (WHERE is_inside) AS delivered,
        count(*) FILTER (WHERE is_request AND NOT is_inside) AS edge_requests,
        sum(prompt) FILTER (WHERE NOT is_inside) AS edge_prompt,
        sum(generated) FILTER (WHERE NOT is_inside) AS edge_generated,
        sum(prompt) FILTER (WHERE is_inside AND is_cut) AS cut_prompt,
        count(*) FILTER (WHERE is_cut AND streamed) AS cut_streams,
        count(*) FILTER (WHERE is_cut AND NOT streamed) AS cut_answers,
        count(*) FILTER (WHERE is_request AND prompt = 0) AS unknown_prompts,
        max(prompt) AS longest_prompt
    FROM met GROUP BY id
)
SELECT span.process_id, span.address, span.number, span.engine, span.is_whole,
    span.begins_most, span.ends_most, span.prompt_tokens, span.generated_tokens,
    span.preemptions, span.extra_samples, span.samples_max, span.context_tokens,
    span.answer_tokens_max, {_SUMS}
FROM span LEFT JOIN summed ON summed.id = span.id
ORDER BY span.process_id, span.is_whole, span.begins_most
"""  # noqa: S608 - put together from the constants above


@dataclass(frozen=True, slots=True)
class Span:
    """What one process counted between two readings, and what was metered of it.

    Of requests within it: `prompt`, `generated`, `delivered`. `edge_*` are of those
    that reach over one of its ends.
    """

    process_id: int
    address: str
    number: int
    engine: str
    is_whole: bool
    begins_at: dt.datetime
    ends_at: dt.datetime
    counted_prompt: int
    counted_generated: int
    preemptions: int
    extra_samples: int
    samples_max: int
    context_tokens: int
    answer_tokens_max: int
    requests: int
    prompt: int
    generated: int
    delivered: int
    edge_requests: int
    edge_prompt: int
    edge_generated: int
    cut_prompt: int
    cut_streams: int
    cut_answers: int
    unknown_prompts: int
    longest_prompt: int


@dataclass(frozen=True, slots=True)
class Allowed:
    """Between what, both included, a count may lie."""

    least: int
    most: int

    def outside(self, counted: int) -> int:
        """Return by how much a count lies above, or below as a negative number."""
        return max(0, counted - self.most) + min(0, counted - self.least)


def spans(scope: Scope) -> Iterator[Span]:
    """Yield the spans of each process in turn, that of its whole life as the last."""
    with cursor() as session:
        # The instant of the snapshot: what it shows is as old as that.
        session.execute("SELECT now()")
        complete = complete_to(now=session.fetchone()[0])
        session.execute(
            _COUNTED,
            {
                **scope.parameters,
                "complete_to": complete,
                "request_time_max": _REQUEST_TIME_MAX,
            },
        )
        for row in session.fetchall():
            yield Span(*row)


def prompt_allowed(span: Span, rules: EngineRules) -> Allowed:
    """Return how many prompt tokens the engine may have counted in a span."""
    least = span.prompt - span.cut_prompt
    if not rules.counts_cached_prompts:
        least = 0
    most = (
        span.prompt
        + span.edge_prompt * span.samples_max
        + span.unknown_prompts * span.context_tokens * span.samples_max
        + span.preemptions * span.context_tokens
    )
    if rules.counts_prompts_per_answer:
        most += span.extra_samples * span.longest_prompt
        # The answers to what was cut off are told by no counter.
        most += span.cut_prompt * (span.samples_max - 1)
    return Allowed(least, most)


def generated_allowed(span: Span, rules: EngineRules) -> Allowed:
    """Return how many generated tokens the engine may have counted in a span."""
    unheard = (
        span.cut_streams * rules.unheard_tokens_max
        + span.cut_answers * span.answer_tokens_max
    )
    most = span.generated + span.edge_generated + unheard * span.samples_max
    return Allowed(span.generated, most)


def rules_of(span: Span) -> EngineRules:
    """Return what is known of the span's engine; raises `KeyError` for no known one."""
    return RULES[span.engine]
