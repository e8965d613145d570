"""Anchors: how far each chain had come, signed, in a table and in the log.

Whoever can write the tables can write a chain anew, and it will hold. What it cannot do
is make the new chain lead to an anchor that has left the database: the log's lines are
to be kept elsewhere, and read back by `verify_audit --anchors`. A chain that has not
moved keeps the anchor that it has.

Failure: signing again on the same date changes nothing. A line that is none of ours is
passed over, a forged one fails its signature.
"""

import datetime as dt
import hmac
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import structlog
from django.conf import settings

from kit.json_values import is_object
from kit.orm.atomic import atomic, cursor
from tenants.audit.canonical import canonical
from tenants.models.audit import AuditAnchor

EVENT = "audit_anchor"
_BATCH = 1000
_MOVED = """
SELECT head.chain, head.seq, head.digest FROM tenants_audithead AS head
 WHERE head.seq > coalesce(
           (SELECT max(seq) FROM tenants_auditanchor WHERE chain = head.chain), 0)
   AND NOT EXISTS (
           SELECT FROM tenants_auditanchor WHERE chain = head.chain AND date = %s)
 ORDER BY head.chain LIMIT %s
"""
_PAIR = re.compile(r'(\w+)=("[^"]*"|\S+)')

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Anchor:
    """A place of a chain that was seen on a date, and what vouches for it."""

    chain: int
    seq: int
    digest: str
    date: str
    signature: str

    def is_ours(self) -> bool:
        """Tell whether the signature is that of this installation."""
        made = sign(self.chain, self.seq, self.digest, self.date)
        return hmac.compare_digest(made.encode(), self.signature.encode())


def sign(chain: int, seq: int, digest: str, date: str) -> str:
    """Return the HMAC of an anchor."""
    text = canonical({"chain": chain, "date": date, "digest": digest, "seq": seq})
    return hmac.digest(settings.AUDIT_ANCHOR_SECRET, text, "sha256").hex()


def anchor_chains(*, now: dt.datetime) -> int:
    """Anchor every chain that has moved since it was; return how many."""
    date = now.astimezone(dt.UTC).date()
    count = 0
    while made := _anchor_batch(date):
        count += len(made)
        # Only what is committed is said, each in one line of its own.
        for each in made:
            log.info(
                EVENT,
                date=each.date.isoformat(),
                chain=each.chain,
                seq=each.seq,
                digest=each.digest,
                signature=each.signature,
            )
    return count


def stored(chain: int | None = None) -> Iterator[Anchor]:
    """Stream the anchors of the table in the order of their chains."""
    rows = AuditAnchor.objects.order_by("chain", "seq")
    if chain is not None:
        rows = rows.filter(chain=chain)
    for row in rows.iterator():
        yield Anchor(
            row.chain, row.seq, row.digest, row.date.isoformat(), row.signature
        )


def read(lines: Iterable[str], chain: int | None = None) -> list[Anchor]:
    """Return the anchors of a log, in the order of their chains."""
    found = {anchor for line in lines if (anchor := _parsed(line)) is not None}
    return sorted(each for each in found if chain is None or each.chain == chain)


def _anchor_batch(date: dt.date) -> list[AuditAnchor]:
    with atomic():
        with cursor() as session:
            session.execute(_MOVED, [date, _BATCH])
            heads = session.fetchall()
        rows = [
            AuditAnchor(
                chain=chain,
                date=date,
                seq=seq,
                digest=digest,
                signature=sign(chain, seq, digest, date.isoformat()),
            )
            for chain, seq, digest in heads
        ]
        # Another worker may anchor at the same moment: one of each stands.
        AuditAnchor.objects.bulk_create(rows, ignore_conflicts=True)
        return rows


def _parsed(line: str) -> Anchor | None:
    """Read one line of the log, in JSON or as `name=value`."""
    if EVENT not in line:
        return None
    try:
        fields = json.loads(line)
    except ValueError:
        fields = {name: text.strip('"') for name, text in _PAIR.findall(line)}
    if not is_object(fields):
        return None
    try:
        return Anchor(
            int(fields["chain"]),
            int(fields["seq"]),
            str(fields["digest"]),
            str(fields["date"]),
            str(fields["signature"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
