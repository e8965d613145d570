"""Publish what changed to the gateways, in the transaction that changes it.

Publications take turns on the lock of one row and hold it until they commit, so
versions appear in order: a gateway that has seen version n misses nothing by asking for
what is above n. Under that lock the rows are read again, so the last publication of a
row tells its last state. An entry that would say nothing new is not written.

Whoever may write a row may publish it: tenants, in their own transactions, their keys.
The database keeps them to these, and all to the order of versions.

Failure: the transaction fails, and neither the write nor its publication has happened.
Writes that pass no signal (bulk updates, SQL by hand) are found and mended by
`republish`.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from inference.control.compilation import SOURCES, Entry, Kind, Source
from inference.control.models import Publication, PublicationVersion
from kit.orm.atomic import atomic, cursor

CHANNEL = "tollgate_snapshot"
CHUNK_ROWS = 1000

T = TypeVar("T")


def publish(kind: Kind, ids: Iterable[int]) -> int:
    """Publish these rows as they are now; return how many entries changed."""
    source = SOURCES[kind]
    with atomic():
        version = _next_version()
        changed = 0
        for chunk in _chunks(ids):
            rows = source.rows().filter(pk__in=chunk)
            changed += _write(kind, [source.entry(row) for row in rows], version)
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
    """Publish the rows whose entry is missing or says something else."""
    mended, last = 0, 0
    while rows := list(source.rows().filter(pk__gt=last).order_by("pk")[:CHUNK_ROWS]):
        last = rows[-1].pk
        entries = {row.pk: source.entry(row) for row in rows}
        published = _bodies(kind, [entry.key for entry in entries.values()])
        stale = [
            pk
            for pk, entry in entries.items()
            if published.get(entry.key) != entry.body
        ]
        if stale:
            mended += publish(kind, stale)
    return mended


def _mend_orphans(kind: Kind, source: Source) -> int:
    """Withdraw the entries whose row is gone."""
    mended, last = 0, ""
    entries = Publication.objects.filter(kind=kind, body__isnull=False).order_by("key")
    while keys := list(
        entries.filter(key__gt=last).values_list("key", flat=True)[:CHUNK_ROWS]
    ):
        last = keys[-1]
        there = source.rows().filter(**{f"{source.key_field}__in": keys})
        known = {str(key) for key in there.values_list(source.key_field, flat=True)}
        if orphans := [key for key in keys if key not in known]:
            mended += withdraw(kind, orphans)
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
