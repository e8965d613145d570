"""Walk every chain from its first entry to its head, and say where it does not hold.

An entry must come after the one before, name its digest, and have the digest of its own
columns; its personal fields must be those that were hashed, or have been forgotten by
an entry that says so. The last one must be the head, and every anchor must lie on the
way. After a difference the walk goes on from what it found, so that one altered entry
is one difference and not all that follow.

Failure: what cannot be read raises; it never passes. All is one snapshot, streamed: a
chain of any length takes the memory of one batch.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from kit.orm.roles import current_alias
from kit.orm.snapshot import snapshot
from tenants.audit import anchors
from tenants.audit.anchors import Anchor
from tenants.audit.canonical import Link, NotCanonical, detail_digest
from tenants.audit.verdict import Kind, Verdict
from tenants.models.audit import INSTALLATION

FORGET = "forget"
# The name, in a forgetting entry, of the ids of those whose details went with it.
FORGOTTEN = "forgotten_entries"
_BATCH = 2000
_COLUMNS = tuple(Link.__slots__)
_ENTRIES = f"""
SELECT {", ".join(f"entry.{name}" for name in _COLUMNS)}, entry.digest,
    detail.salt, detail.before, detail.after, detail.tenant_id
  FROM tenants_auditentry AS entry
  LEFT JOIN tenants_auditdetail AS detail ON detail.entry_id = entry.id
 WHERE %(chain)s::bigint IS NULL OR entry.chain = %(chain)s
 ORDER BY entry.chain, entry.seq
"""  # noqa: S608
_HEADS = """
SELECT chain, tenant_id, seq, digest FROM tenants_audithead
 WHERE %(chain)s::bigint IS NULL OR chain = %(chain)s
 ORDER BY chain
"""
_STRAY_DETAILS = """
SELECT detail.entry_id, coalesce(detail.tenant_id, 0)
  FROM tenants_auditdetail AS detail
 WHERE (%(chain)s::bigint IS NULL OR coalesce(detail.tenant_id, 0) = %(chain)s)
   AND NOT EXISTS (SELECT FROM tenants_auditentry WHERE id = detail.entry_id)
 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry as it is stored, with its detail where there is one."""

    link: Link
    digest: str
    detail: tuple[bytes, Any, Any, int | None] | None


@dataclass(slots=True)
class _Chain:
    """The walk along one chain."""

    number: int
    verdict: Verdict
    seq: int = 0
    digest: str = ""
    entry_id: int = 0
    # Entries without their detail, until an entry says that it was forgotten.
    bare: dict[int, int] = field(default_factory=dict)

    def step(self, row: _Row) -> None:
        """Hold one entry against the one before it and against itself."""
        link = row.link
        if link.seq > self.seq + 1:
            gone = f"{self.seq + 1} to {link.seq - 1}"
            self._differ(Kind.MISSING, link.seq, f"entries {gone} are gone")
        if link.previous != self.digest:
            self._differ(
                Kind.DISPLACED, link.seq, "it does not follow the entry before it"
            )
        elif link.id <= self.entry_id:
            self._differ(Kind.DISPLACED, link.seq, "its id is of another place")
        if _digest_of(link) != row.digest:
            self._differ(Kind.ALTERED, link.seq, "its columns are not those hashed")
        self._check_detail(row)
        self.seq, self.digest, self.entry_id = link.seq, row.digest, link.id

    def end(self) -> None:
        """Name what was taken away and never said to be forgotten."""
        for seq in self.bare.values():
            self._differ(Kind.DETAIL, seq, "its detail is gone, and was not forgotten")

    def _check_detail(self, row: _Row) -> None:
        link = row.link
        if row.detail is None:
            if link.detail_digest:
                self.bare[link.id] = link.seq
        elif not _is_detail_of(link, row.detail):
            self._differ(Kind.DETAIL, link.seq, "its detail is not the one hashed")
        if link.action == FORGET and isinstance(link.after.get(FORGOTTEN), list):
            for entry_id in link.after[FORGOTTEN]:
                self.bare.pop(entry_id, None)

    def _differ(self, kind: Kind, seq: int, what: str) -> None:
        self.verdict.add(kind, self.number, seq, what)


def verify(*, tenant_id: int | None = None, lines: Iterable[str] = ()) -> Verdict:
    """Walk the chains, or a tenant's alone, against the stored anchors and a log's."""
    verdict = Verdict()
    with snapshot():
        heads = {chain: rest for chain, *rest in _rows(_HEADS, tenant_id)}
        kept = _Anchors(anchors.stored(tenant_id), verdict)
        logged = _Anchors(iter(anchors.read(lines, tenant_id)), verdict)
        walk: _Chain | None = None
        for row in map(_row, _rows(_ENTRIES, tenant_id)):
            if walk is None or walk.number != row.link.chain:
                _finish(walk, heads)
                walk = _Chain(row.link.chain, verdict)
                verdict.chains += 1
            walk.step(row)
            kept.pass_by(row.link.chain, row.link.seq, row.digest)
            logged.pass_by(row.link.chain, row.link.seq, row.digest)
            verdict.entries += 1
        _finish(walk, heads)
        for chain in heads:
            verdict.add(Kind.HEAD, chain, 0, "there is a head, but no entry")
        kept.end()
        logged.end()
        for entry_id, chain in _rows(_STRAY_DETAILS, tenant_id):
            verdict.add(Kind.DETAIL, chain, 0, f"the detail of no entry: {entry_id}")
    return verdict


class _Anchors:
    """Anchors in order, held against the entries that pass by in the same order."""

    def __init__(self, found: Iterator[Anchor], verdict: Verdict) -> None:
        self._found = found
        self._verdict = verdict
        self._next = next(found, None)

    def pass_by(self, chain: int, seq: int, digest: str) -> None:
        """Hold the anchors of this place against it, earlier ones against nothing."""
        while self._next is not None:
            anchor = self._next
            if (anchor.chain, anchor.seq) > (chain, seq):
                return
            is_here = (anchor.chain, anchor.seq) == (chain, seq)
            self._hold(anchor, digest if is_here else None)

    def end(self) -> None:
        """Hold what is left against nothing: the entries it names are gone."""
        while self._next is not None:
            self._hold(self._next, None)

    def _hold(self, anchor: Anchor, digest: str | None) -> None:
        self._next = next(self._found, None)
        self._verdict.anchors += 1
        if not anchor.is_ours():
            self._differ(anchor, "is not signed by this installation")
        elif digest is None:
            self._differ(anchor, "names an entry that is gone")
        elif digest != anchor.digest:
            self._differ(anchor, "names another entry at this place")

    def _differ(self, anchor: Anchor, what: str) -> None:
        self._verdict.add(
            Kind.ANCHOR, anchor.chain, anchor.seq, f"the anchor of {anchor.date} {what}"
        )


def _finish(walk: _Chain | None, heads: dict[int, list[Any]]) -> None:
    """Hold the end of a chain against its head."""
    if walk is None:
        return
    walk.end()
    tenant_id, seq, digest = heads.pop(walk.number, (None, None, None))
    owner = INSTALLATION if tenant_id is None else tenant_id
    if (owner, seq, digest) != (walk.number, walk.seq, walk.digest):
        at = "missing" if seq is None else f"at {seq}"
        walk.verdict.add(Kind.HEAD, walk.number, walk.seq, f"the head is {at}")


def _rows(statement: str, tenant_id: int | None) -> Iterator[tuple[Any, ...]]:
    with connections[current_alias()].chunked_cursor() as session:
        session.execute(statement, {"chain": tenant_id})
        while rows := session.fetchmany(_BATCH):
            yield from rows


def _row(found: tuple[Any, ...]) -> _Row:
    *columns, digest, salt, before, after, tenant_id = found
    fields = dict(zip(_COLUMNS, columns, strict=True))
    fields["before"] = json.loads(fields["before"])
    fields["after"] = json.loads(fields["after"])
    detail = None
    if salt is not None:
        detail = (bytes(salt), json.loads(before), json.loads(after), tenant_id)
    return _Row(Link(**fields), digest, detail)


def _digest_of(link: Link) -> str | None:
    """Return the digest, None for what can never have had one."""
    try:
        return link.digest()
    except NotCanonical:
        return None


def _is_detail_of(link: Link, detail: tuple[bytes, Any, Any, int | None]) -> bool:
    salt, before, after, tenant_id = detail
    try:
        made = detail_digest(salt, before, after)
    except NotCanonical:
        return False
    return (made, tenant_id) == (link.detail_digest, link.tenant_id)
