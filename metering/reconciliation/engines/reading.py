"""Read the engines' counters, keep them, and thin out what is old.

Serving knows the engines and comes with its reader when Django starts; this side keeps
what they say. A process whose mark is new, or whose counts fell, is another process:
where the one before it was known, it is held to have begun with nothing counted.

Failure: an engine that tells nothing is noted on its process, and is read again with
the next scan. Two scans at once leave a reading more behind, which hurts nothing.
"""

import datetime as dt
import time
from collections.abc import Callable

import structlog

from kit.engine_counts import EngineCount, EngineReader, EngineSilence
from kit.orm.atomic import atomic, cursor
from metering.reconciliation.engines.models import EngineProcess, EngineReading

# By as much an engine's clock may be off, and a start be told late.
START_MARGIN = dt.timedelta(seconds=2)
WHOLE_FOR = dt.timedelta(hours=2)
# Longer than the window that is reconciled.
KEPT_FOR = dt.timedelta(days=40)
_SHARED = "several processes answer at this address: their counts are nobody's"

log = structlog.get_logger(__name__)

# Of each hour the first quiet reading stays, or the first: there the edge of what is
# compared is sharpest. The first and the last of a process stay whatever comes.
_THIN = """
WITH old AS (
    SELECT id, answered_at, row_number() OVER (
            PARTITION BY process_id, date_trunc('hour', answered_at, 'UTC')
            ORDER BY is_start DESC, running > 0, answered_at, id
        ) AS in_hour,
        id IN (
            first_value(id) OVER (PARTITION BY process_id ORDER BY answered_at, id),
            first_value(id) OVER (
                PARTITION BY process_id ORDER BY answered_at DESC, id DESC)
        ) AS is_end
    FROM reconciliation_enginereading
)
DELETE FROM reconciliation_enginereading reading USING old
WHERE reading.id = old.id AND NOT old.is_end
    AND (old.answered_at < %(kept_since)s
        OR (old.in_hour > 1 AND old.answered_at < %(whole_since)s))
"""


class _Source:
    """Where the engines' counts come from."""

    def __init__(self) -> None:
        self._read: EngineReader = lambda now: ()

    def read_from(self, reader: EngineReader) -> None:
        """Ask here from now on."""
        self._read = reader

    @property
    def reader(self) -> EngineReader:
        """Return who is asked."""
        return self._read


_source = _Source()
read_from = _source.read_from


def read_engines(*, now: dt.datetime, reader: EngineReader | None = None) -> int:
    """Read every engine and keep what it counts; return how many told counts.

    `now` is the database's clock; without a `reader` serving's own is asked.
    """
    counted = 0
    for answer in (reader or _source.reader)(_going_on_from(now)):
        with atomic():
            if isinstance(answer, EngineSilence):
                _note_silence(answer)
            else:
                _note_count(answer)
                counted += 1
    return counted


def thin_readings(*, now: dt.datetime) -> int:
    """Delete the readings that are no longer needed; return how many."""
    with cursor() as session:
        session.execute(
            _THIN, {"whole_since": now - WHOLE_FOR, "kept_since": now - KEPT_FOR}
        )
        deleted: int = session.rowcount
    return deleted


def _going_on_from(now: dt.datetime) -> Callable[[], dt.datetime]:
    """Return a clock that begins at an instant, and that no clock change moves."""
    began = time.monotonic()
    return lambda: now + dt.timedelta(seconds=time.monotonic() - began)


def _latest(address: str) -> EngineProcess | None:
    rows = EngineProcess.objects.select_for_update().filter(address=address)
    return rows.order_by("-number").first()


def _note_silence(silence: EngineSilence) -> None:
    row = _latest(silence.address)
    if row is None or (silence.is_lasting and row.engine):
        row = _new(row, silence.address, silence.replica_ids, silence.asked_at)
    said = silence.said[:200]
    if row.problem != said and not row.is_shared:
        log.warning("engine_not_read", address=silence.address, said=said)
        row.problem = said
    row.tried_at = silence.asked_at
    row.save()


def _note_count(count: EngineCount) -> None:
    before = _latest(count.address)
    row = before
    if row is None or not _goes_on(row, count):
        row = _returned(count) or _begin(before, count)
    EngineReading.objects.create(
        process=row,
        asked_at=count.asked_at,
        answered_at=count.answered_at,
        replica_ids=list(count.replica_ids),
        prompt_tokens=count.prompt_tokens,
        generated_tokens=count.generated_tokens,
        running=count.running,
        preemptions=count.preemptions,
        extra_samples=count.extra_samples,
        samples_max=count.samples_max,
        context_tokens=count.context_tokens,
        answer_tokens_max=count.answer_tokens_max,
    )
    row.replica_ids = sorted({*row.replica_ids, *count.replica_ids})
    row.first_read_at = row.first_read_at or count.answered_at
    row.last_read_at = row.tried_at = count.answered_at
    row.prompt_tokens = count.prompt_tokens
    row.generated_tokens = count.generated_tokens
    row.problem = _SHARED if row.is_shared else ""
    row.save()


def _goes_on(row: EngineProcess, count: EngineCount) -> bool:
    return (
        (row.engine, row.mark) == (count.engine, count.mark)
        and row.prompt_tokens <= count.prompt_tokens
        and row.generated_tokens <= count.generated_tokens
    )


def _returned(count: EngineCount) -> EngineProcess | None:
    """Find a process that another one seemed to have followed: both answer here."""
    if not count.mark:
        return None
    rows = EngineProcess.objects.filter(
        address=count.address, engine=count.engine, mark=count.mark
    )
    found = next(
        (row for row in rows.order_by("-number") if _goes_on(row, count)), None
    )
    if found is None:
        return None
    log.error("engines_share_an_address", address=count.address)
    EngineProcess.objects.filter(
        address=count.address, number__gte=found.number
    ).update(is_shared=True, problem=_SHARED)
    found.is_shared = True
    return found


def _begin(before: EngineProcess | None, count: EngineCount) -> EngineProcess:
    row = _new(before, count.address, count.replica_ids, count.asked_at)
    row.engine, row.mark = count.engine, count.mark
    row.started_at = count.started_at
    row.save()
    began = _beginning(before, count)
    if began is not None:
        EngineReading.objects.create(
            process=row,
            asked_at=began[0],
            answered_at=began[1],
            is_start=True,
            replica_ids=list(count.replica_ids),
            context_tokens=count.context_tokens,
            answer_tokens_max=count.answer_tokens_max,
        )
    return row


def _beginning(
    before: EngineProcess | None, count: EngineCount
) -> tuple[dt.datetime, dt.datetime] | None:
    """Return between which instants the process began; None where nobody can tell.

    A process that was at work before any replica led to it did so for others.
    """
    was_read = None if before is None else before.last_read_at
    known_since = was_read or count.known_since
    if count.started_at is not None:
        earliest = count.started_at - START_MARGIN
        latest = min(count.started_at + START_MARGIN, count.asked_at)
        if earliest >= known_since - START_MARGIN:
            return max(earliest, known_since), latest
    return None if was_read is None else (was_read, count.asked_at)


def _new(
    before: EngineProcess | None,
    address: str,
    replica_ids: tuple[int, ...],
    now: dt.datetime,
) -> EngineProcess:
    row = EngineProcess(
        address=address,
        number=1 if before is None else before.number + 1,
        replica_ids=list(replica_ids),
        tried_at=now,
    )
    row.save()
    return row
