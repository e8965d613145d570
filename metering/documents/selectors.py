"""Reads of documents: their bytes, and what to say where they are not there yet."""

import zlib

from kit.errors import Conflict
from metering.billing.models import Invoice
from metering.documents.models import Document
from metering.receivables.models import CreditNote


def document_of(subject: Invoice | CreditNote) -> Document | None:
    """Return the document of an invoice or note, None while there is none."""
    kind = Document.Kind.CREDIT_NOTE
    if isinstance(subject, Invoice):
        kind = Document.Kind.INVOICE
    return Document.objects.filter(kind=kind, subject_id=subject.pk).first()


def require_document(subject: Invoice | CreditNote) -> Document:
    """Return the document; raises `Conflict` while there is none."""
    found = document_of(subject)
    if found is None:
        raise Conflict(
            "It has no document yet: a draft has none, and one that was just issued "
            "has it within a minute."
        )
    return found


def html_of(document: Document) -> bytes:
    """Return the HTML as it was made."""
    return zlib.decompress(bytes(document.html))
