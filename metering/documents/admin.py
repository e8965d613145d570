"""Operators' pages of documents: what was made, and what cannot be made yet."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html

from kit.admin import ReadOnlyAdmin
from kit.drf.files import digest
from metering.documents import selectors
from metering.documents.models import Attempt, Document


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    """Invoices and credit notes as they were sent."""

    list_display = ("number", "kind", "tenant_id", "made_at", "files")
    list_filter = ("kind",)
    search_fields = ("number",)
    search_help_text = "Number, id"
    empty_says = (
        "A document is made within a minute of an invoice or note being issued."
    )
    fields = (
        ("number", "kind"),
        ("tenant_id", "made_at"),
        "files",
        "pdf_sha256",
        "html_sha256",
    )
    readonly_fields = ("files",)
    ordering = ("-id",)

    def get_urls(self) -> Any:
        """Add the files themselves."""
        fetch = self.admin_site.admin_view(self.fetch)
        mine = [
            path(
                f"<int:document_id>/{form}/",
                fetch,
                {"form": form},
                name=f"documents_document_{form}",
            )
            for form in ("pdf", "html")
        ]
        return [*mine, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        """Leave the bytes where they are: a page of a list would read megabytes."""
        rows: QuerySet[Document] = super().get_queryset(request)
        return rows.defer("html", "pdf")

    def fetch(self, request: HttpRequest, document_id: int, form: str) -> HttpResponse:
        """Send the bytes that were kept."""
        row = Document.objects.filter(pk=document_id).first()
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        if form == "pdf":
            kept, sha256 = bytes(row.pdf), row.pdf_sha256
            content_type = "application/pdf"
        else:
            kept, sha256 = selectors.html_of(row), row.html_sha256
            content_type = "text/html; charset=utf-8"
        return HttpResponse(
            kept,
            content_type=content_type,
            headers={
                "Content-Disposition": f'attachment; filename="{row.number}.{form}"',
                "Repr-Digest": digest(sha256),
            },
        )

    @admin.display(description="as sent")
    def files(self, row: Document) -> str:
        """Link to its two forms."""
        pdf, html = (
            reverse(f"admin:documents_document_{form}", args=(row.pk,))
            for form in ("pdf", "html")
        )
        return format_html(
            '<a class="underline" href="{}">PDF</a> '
            '<a class="underline" href="{}">HTML</a>',
            pdf,
            html,
        )


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """Documents that could not be made so far."""

    list_display = ("kind", "subject_id", "attempts", "next_at")
    list_filter = ("kind",)
    search_fields = ("=subject_id",)
    search_help_text = "Id of the invoice or note, id"
    empty_says = "Every document that was due has been made."
    ordering = ("next_at",)
