"""Documents over HTTP: the bytes that were kept, with their hash."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.files import FileRenderer, file_answer
from kit.drf.views import ManagementView
from kit.errors import NotFound
from kit.scopes import Scope
from metering.billing import selectors as billing
from metering.billing.models import Invoice
from metering.documents import selectors
from metering.documents.models import Document
from metering.receivables.models import CreditNote

HTML, PDF = "text/html", "application/pdf"
_SHOWN = OpenApiExample(
    "Its beginning", value="<!DOCTYPE html>", media_type=HTML, response_only=True
)
_PDF_SHOWN = OpenApiExample(
    "Its beginning", value="%PDF-1.7", media_type=PDF, response_only=True
)


class _DocumentView(ManagementView):
    """The bytes of a document."""

    scopes: ClassVar = {"get": Scope.BILLING_READ}
    conflicting = ("get",)

    def invoice(self, pk: int) -> Document:
        """Return an invoice's document; to tenants a draft is no invoice yet."""
        rows = billing.invoices()
        rows = rows if self.actor.is_operator else billing.only_issued(rows)
        found: Invoice | None = rows.filter(pk=pk).first()
        if found is None:
            raise NotFound(f"There is no invoice {pk}.")
        return selectors.require_document(found)

    def note(self, pk: int) -> Document:
        """Return a credit note's document."""
        found = CreditNote.objects.filter(pk=pk).first()
        if found is None:
            raise NotFound(f"There is no credit note {pk}.")
        return selectors.require_document(found)

    def html(self, request: Request, document: Document) -> Response:
        """Answer with the HTML."""
        content = selectors.html_of(document)
        return file_answer(
            request,
            iter([content]),
            content_type=f"{HTML}; charset=utf-8",
            name=f"{document.number}.html",
            sha256=document.html_sha256,
            byte_count=len(content),
        )

    def pdf(self, request: Request, document: Document) -> Response:
        """Answer with the PDF."""
        content = bytes(document.pdf)
        return file_answer(
            request,
            iter([content]),
            content_type=PDF,
            name=f"{document.number}.pdf",
            sha256=document.pdf_sha256,
            byte_count=len(content),
        )


class InvoiceHtmlView(_DocumentView):
    """An invoice as HTML."""

    renderer_classes = [FileRenderer.of(HTML)]

    @extend_schema(
        operation_id="download_invoice_html",
        responses={(200, HTML): OpenApiTypes.STR},
        examples=[_SHOWN],
    )
    def get(self, request: Request, pk: int) -> Response:
        """Fetch an issued invoice as one HTML file.

        It is made once, within a minute of the issue, and stays the same to the byte;
        `Repr-Digest` is its hash.
        """
        return self.html(request, self.invoice(pk))


class InvoicePdfView(_DocumentView):
    """An invoice as PDF."""

    renderer_classes = [FileRenderer.of(PDF)]

    @extend_schema(
        operation_id="download_invoice_pdf",
        responses={(200, PDF): OpenApiTypes.BINARY},
        examples=[_PDF_SHOWN],
    )
    def get(self, request: Request, pk: int) -> Response:
        """Fetch an issued invoice as PDF, on A4.

        It is made once, within a minute of the issue, and stays the same to the byte;
        `Repr-Digest` is its hash.
        """
        return self.pdf(request, self.invoice(pk))


class CreditNoteHtmlView(_DocumentView):
    """A credit note as HTML."""

    renderer_classes = [FileRenderer.of(HTML)]

    @extend_schema(
        operation_id="download_credit_note_html",
        responses={(200, HTML): OpenApiTypes.STR},
        examples=[_SHOWN],
    )
    def get(self, request: Request, pk: int) -> Response:
        """Fetch a credit note as one HTML file.

        It is made once, within a minute of the issue, and stays the same to the byte.
        """
        return self.html(request, self.note(pk))


class CreditNotePdfView(_DocumentView):
    """A credit note as PDF."""

    renderer_classes = [FileRenderer.of(PDF)]

    @extend_schema(
        operation_id="download_credit_note_pdf",
        responses={(200, PDF): OpenApiTypes.BINARY},
        examples=[_PDF_SHOWN],
    )
    def get(self, request: Request, pk: int) -> Response:
        """Fetch a credit note as PDF, on A4.

        It is made once, within a minute of the issue, and stays the same to the byte.
        """
        return self.pdf(request, self.note(pk))
