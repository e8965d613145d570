"""Keep when each replica was there: what is paid for whether or not it is used.

Serving knows the replicas and comes with its lister when Django starts. One that is as
it was goes on; one that is gone ends when it was last seen; one that serves something
else is another span. While no worker looks nothing is lost of those that stay: they
were there in between.

Failure: two scans at once take turns. Owns: spans of replicas.
"""

import datetime as dt

from kit.orm.atomic import atomic, cursor
from kit.replicas import ReplicaLister, ReplicaThere
from metering.economics.models import ReplicaSpan

_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('economics_replicas', 0))"


class _Source:
    """Where it is known which replicas there are."""

    def __init__(self) -> None:
        self._list: ReplicaLister = lambda: ()

    def list_from(self, lister: ReplicaLister) -> None:
        """Ask here from now on."""
        self._list = lister

    @property
    def lister(self) -> ReplicaLister:
        """Return who is asked."""
        return self._list


_source = _Source()
list_from = _source.list_from


def note_replicas(*, now: dt.datetime, lister: ReplicaLister | None = None) -> int:
    """Note which replicas are there now; return how many.

    Of a replica that was added since the last look the span begins when it was added,
    of any other one that is new here it begins now.
    """
    there = {each.replica_id: each for each in (lister or _source.lister)()}
    with atomic():
        with cursor() as session:
            session.execute(_TURN)
        spans = list(ReplicaSpan.objects.select_for_update().filter(is_open=True))
        looked_at = max((span.until for span in spans), default=now)
        for span in spans:
            if span.until > now:
                # A later look was here first.
                return len(there)
            _go_on(span, there.get(span.replica_id), now)
        going_on = {span.replica_id for span in spans if span.is_open}
        ReplicaSpan.objects.bulk_create(
            _begun(each, looked_at=looked_at, now=now)
            for each in there.values()
            if each.replica_id not in going_on
        )
    return len(there)


def _go_on(span: ReplicaSpan, there: ReplicaThere | None, now: dt.datetime) -> None:
    if there is None:
        span.is_open = False
    else:
        span.until = now
        span.is_open = _is_same(span, there)
    span.save(update_fields=["until", "is_open"])


def _is_same(span: ReplicaSpan, there: ReplicaThere) -> bool:
    was = (span.name, span.model, tuple(span.answers_to), span.engine)
    return was == (there.name, there.model, there.models, there.engine)


def _begun(
    there: ReplicaThere, *, looked_at: dt.datetime, now: dt.datetime
) -> ReplicaSpan:
    is_new = looked_at <= there.added_at <= now
    return ReplicaSpan(
        replica_id=there.replica_id,
        name=there.name,
        model=there.model,
        answers_to=list(there.models),
        engine=there.engine,
        starts_at=there.added_at if is_new else now,
        until=now,
    )
