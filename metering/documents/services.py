"""Writes of documents: make those that are missing, each once.

Failure: a document that cannot be made is logged as `document_not_made` and tried
again, at longer and longer intervals up to a day; the others are made, however many
fail. An attempt is written before it is made, so that one that ends its worker waits as
well. Two makers at once make one.
"""

import datetime as dt
import hashlib
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from django.db.models import Exists, OuterRef, QuerySet

from kit.orm.atomic import atomic
from metering.billing.models import Invoice
from metering.documents import invoices, notes
from metering.documents.models import Attempt, Document
from metering.documents.paper import Paper
from metering.documents.rendering import html_of, pdf_of
from metering.receivables.models import CreditNote

log = structlog.get_logger(__name__)

BATCH = 200
# No other is begun then: Celery kills a task after fifteen minutes.
_TAKING_UP_S = 300.0
_RETRY_AFTER = tuple(dt.timedelta(minutes=each) for each in (1, 5, 30, 120, 480, 1440))
Kind = Document.Kind


@dataclass(frozen=True, slots=True)
class _Missing:
    """What was issued and has no document, and how its document is laid out."""

    kind: Document.Kind
    subject: Any
    paper_of: Callable[[Any], Paper]


def make_documents(
    *, now: dt.datetime, seconds: Callable[[], float] = time.monotonic
) -> int:
    """Make documents of what was issued and has none; return how many."""
    made, began = 0, seconds()
    for each in _missing(now):
        if seconds() - began > _TAKING_UP_S:
            break
        if not _take(each, now):
            continue
        subject = each.subject
        try:
            made += make_document(each.kind, subject, each.paper_of(subject), now=now)
        except Exception:
            # A bug met by one document: the others are still made.
            log.exception("document_not_made", kind=each.kind, number=subject.number)
    return made


def _take(missing: _Missing, now: dt.datetime) -> bool:
    """Write an attempt down; False where another worker has begun one since."""
    named = {"kind": missing.kind, "subject_id": missing.subject.pk}
    with atomic():
        Attempt.objects.bulk_create(
            [Attempt(**named, next_at=now)], ignore_conflicts=True
        )
        row = Attempt.objects.select_for_update().get(**named)
        if row.next_at > now:
            return False
        row.next_at = now + _RETRY_AFTER[min(row.attempts, len(_RETRY_AFTER) - 1)]
        row.attempts += 1
        row.save(update_fields=["attempts", "next_at"])
    return True


def make_document(kind: str, subject: Any, paper: Paper, *, now: dt.datetime) -> bool:
    """Keep the document of an invoice or note; False where it was kept before."""
    html = html_of(paper)
    pdf = pdf_of(html, at=subject.issued_at)
    named = {"kind": kind, "subject_id": subject.pk}
    with atomic():
        is_new = not Document.objects.filter(**named).exists()
        Document.objects.bulk_create(
            [
                Document(
                    tenant_id=subject.tenant_id,
                    **named,
                    number=subject.number,
                    html=zlib.compress(html),
                    html_sha256=hashlib.sha256(html).hexdigest(),
                    pdf=pdf,
                    pdf_sha256=hashlib.sha256(pdf).hexdigest(),
                    made_at=now,
                )
            ],
            ignore_conflicts=True,
        )
        Attempt.objects.filter(**named).delete()
    return is_new


def _missing(now: dt.datetime) -> Iterator[_Missing]:
    issued = Invoice.objects.filter(number__isnull=False).select_related(
        "tenant", "period", "seller"
    )
    for invoice in _without(Kind.INVOICE, issued, now):
        yield _Missing(Kind.INVOICE, invoice, invoices.paper_of)
    credited = CreditNote.objects.select_related("tenant", "invoice", "seller")
    for note in _without(Kind.CREDIT_NOTE, credited, now):
        yield _Missing(Kind.CREDIT_NOTE, note, notes.paper_of)


def _without(kind: str, rows: QuerySet[Any], now: dt.datetime) -> list[Any]:
    """Return the first of those that have no document, and whose turn it is."""
    of_it = {"kind": kind, "subject_id": OuterRef("pk")}
    kept = Document.objects.filter(**of_it)
    waiting = Attempt.objects.filter(**of_it, next_at__gt=now)
    return list(rows.filter(~Exists(kept), ~Exists(waiting)).order_by("pk")[:BATCH])
