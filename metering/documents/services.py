"""Writes of documents: make those that are missing, each once.

Failure: a document that cannot be made is logged as `document_not_made` and tried again
with the next scan; the others are made. Two makers at once make one.
"""

import datetime as dt
import hashlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import structlog
from django.db.models import Exists, OuterRef, QuerySet

from metering.billing.models import Invoice
from metering.documents import invoices, notes
from metering.documents.models import Document
from metering.documents.paper import Paper
from metering.documents.rendering import html_of, pdf_of
from metering.receivables.models import CreditNote

log = structlog.get_logger(__name__)

BATCH = 200
Kind = Document.Kind


def make_documents(*, now: dt.datetime) -> int:
    """Make the documents of what was issued and has none; return how many."""
    made = 0
    for kind, subject, paper_of in _missing():
        try:
            made += make_document(kind, subject, paper_of(subject), now=now)
        except Exception:
            # A bug met by one document: the others are still made.
            log.exception("document_not_made", kind=kind, number=subject.number)
    return made


def make_document(kind: str, subject: Any, paper: Paper, *, now: dt.datetime) -> bool:
    """Keep the document of an invoice or note; False where it was kept before."""
    html = html_of(paper)
    pdf = pdf_of(html, at=subject.issued_at)
    rows = Document.objects.bulk_create(
        [
            Document(
                tenant_id=subject.tenant_id,
                kind=kind,
                subject_id=subject.pk,
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
    return bool(rows)


def _missing() -> Iterator[tuple[str, Any, Callable[[Any], Paper]]]:
    issued = Invoice.objects.filter(number__isnull=False).select_related(
        "tenant", "period", "seller"
    )
    for invoice in _without(Kind.INVOICE, issued):
        yield Kind.INVOICE, invoice, invoices.paper_of
    credited = CreditNote.objects.select_related("tenant", "invoice", "seller")
    for note in _without(Kind.CREDIT_NOTE, credited):
        yield Kind.CREDIT_NOTE, note, notes.paper_of


def _without(kind: str, rows: QuerySet[Any]) -> list[Any]:
    kept = Document.objects.filter(kind=kind, subject_id=OuterRef("pk"))
    return list(rows.filter(~Exists(kept)).order_by("pk")[:BATCH])
