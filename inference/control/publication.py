"""Publish what changed to the gateways, in the transaction that changes it.

Publications take turns on the lock of one row and hold it until they commit, so
versions appear in order: a gateway that has seen version n misses nothing by asking for
what is above n. Under that lock the rows are read again, so the last publication of a
row tells its last state. An entry that would say nothing new is not written.

Whoever may write a row may publish it: tenants, in their own transactions, their keys
and the limits that they set themselves. The database keeps them to these, and all to
the order of versions.

Failure: the transaction fails, and neither the write nor its publication has happened.
Writes that pass no signal (bulk updates, SQL by hand) are found and mended by
`republish`.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from inference.control.compilation import SOURCES, Kind
from inference.control.models import Publication, PublicationVersion
from inference.control.sources import Entry, Source
from kit.orm.atomic import atomic, cursor

CHANNEL = "tollgate_snapshot"
CHUNK_ROWS = 1000

T = TypeVar("T")


def publish(kind: Kind, ids: Iterable[Any]) -> int:
    """Publish these as they are now; return how many entries changed."""
    source = SOURCES[kind]
    with atomic():
        version = _next_version()
        changed = 0
        for chunk in _chunks(ids):
            changed += _write(kind, source.entries(chunk), version)
        _announce(version, changed)
    return changed


def withdraw(kind: Kind, keys: Iterable[str]) -> int:
    """Publish that these entries are gone; return how many were there."""
    with atomic():
        version = _next_version()
        changed = 0
        for chunk in _chunks(keys):
            changed += _write(kind, [Entry(key, None) for key in chunk], version)
        _announce(version, changed)
    return changed


def republish() -> int:
    """Compare every row with what is published and mend the difference.

    Idempotent: where nothing differs, nothing is written or announced. Reads in chunks
    and takes the lock only for a chunk that differs. Returns how many entries were
    mended.
    """
    return sum(
        _mend_stale(kind, source) + _mend_orphans(kind, source)
        for kind, source in SOURCES.items()
    )


def _mend_stale(kind: Kind, source: Source) -> int:
    """Publish what has no entry, or one that says something else."""
    mended = 0
    for ids in source.chunks(CHUNK_ROWS):
        entries = source.entries(ids)
        published = _bodies(kind, [entry.key for entry in entries])
        if any(published.get(entry.key) != entry.body for entry in entries):
            mended += publish(kind, ids)
    return mended


def _mend_orphans(kind: Kind, source: Source) -> int:
    """Withdraw the entries whose row is gone."""
    mended, last = 0, ""
    entries = Publication.objects.filter(kind=kind, body__isnull=False).order_by("key")
    while keys := list(
        entries.filter(key__gt=last).values_list("key", flat=True)[:CHUNK_ROWS]
    ):
        last = keys[-1]
        known = source.known(keys)
        if orphans := [key for key in keys if key not in known]:
            with atomic():
                # Under the lock, for what they tell of may have come back meanwhile.
                _next_version()
                known = source.known(orphans)
                mended += withdraw(kind, [key for key in orphans if key not in known])
    return mended


def _next_version() -> int:
    """Wait for the turn to publish and return the version that is to be written."""
    return PublicationVersion.objects.select_for_update().get(pk=1).version + 1


def _write(kind: Kind, entries: list[Entry], version: int) -> int:
    published = _bodies(kind, [entry.key for entry in entries])
    rows = [
        Publication(
            kind=kind,
            key=entry.key,
            version=version,
            body=entry.body,
            tenant_id=entry.tenant_id,
        )
        for entry in entries
        if published.get(entry.key) != entry.body
    ]
    Publication.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=("kind", "key"),
        # Whose an entry is never changes, and an orphan's withdrawal does not know it.
        update_fields=("version", "body"),
    )
    return len(rows)


def _announce(version: int, changed: int) -> None:
    """Use up the version and tell the gateways, who hear of it when this commits."""
    if not changed:
        return
    PublicationVersion.objects.filter(pk=1).update(version=version)
    with cursor() as statement:
        statement.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(version)])


def _bodies(kind: Kind, keys: list[str]) -> dict[str, object]:
    published = Publication.objects.filter(kind=kind, key__in=keys)
    return dict(published.values_list("key", "body"))


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK_ROWS)):
        yield chunk
