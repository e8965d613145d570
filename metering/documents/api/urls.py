"""Addresses of documents, beside those of what they are of."""

from django.urls import path

from metering.documents.api.views import (
    CreditNoteHtmlView,
    CreditNotePdfView,
    InvoiceHtmlView,
    InvoicePdfView,
)

urlpatterns = [
    path("invoices/<int:pk>/html/", InvoiceHtmlView.as_view(), name="invoice_html"),
    path("invoices/<int:pk>/pdf/", InvoicePdfView.as_view(), name="invoice_pdf"),
    path("credit-notes/<int:pk>/html/", CreditNoteHtmlView.as_view(), name="note_html"),
    path("credit-notes/<int:pk>/pdf/", CreditNotePdfView.as_view(), name="note_pdf"),
]
