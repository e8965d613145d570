"""Addresses of the finance pages."""

from django.urls import path

from pages.finance import views

app_name = "finance"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("invoices/<uuid:public_id>/", views.invoice, name="invoice"),
    path("invoices/<uuid:public_id>/pdf/", views.invoice_pdf, name="invoice_pdf"),
]
