"""Addresses of documents, beside those of what they are of."""

from django.urls import path

from metering.documents.api.views import InvoiceHtmlView, InvoicePdfView

urlpatterns = [
    path("invoices/<int:pk>/html/", InvoiceHtmlView.as_view(), name="invoice_html"),
    path("invoices/<int:pk>/pdf/", InvoicePdfView.as_view(), name="invoice_pdf"),
]
