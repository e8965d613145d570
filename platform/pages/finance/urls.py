"""Addresses of the finance pages."""

from django.urls import path, re_path

from pages.finance import (
    close,
    cohorts,
    costs,
    credit,
    explaining,
    files,
    forecast,
    funnel,
    journal,
    margin,
    month_report,
    mrr,
    overview,
    receivables,
    revenue,
    views,
    waterfall,
)

app_name = "finance"
MONTH = r"(?P<month>[0-9]{4}-[0-9]{2})"
urlpatterns = [
    path("", overview.page, name="overview"),
    path("usage/", views.usage, name="usage"),
    path("revenue/", revenue.page, name="revenue"),
    path("cohorts/", cohorts.page, name="cohorts"),
    path("mrr/", mrr.page, name="mrr"),
    path("waterfall/", waterfall.page, name="waterfall"),
    path("journal/", journal.page, name="journal"),
    path("receivables/", receivables.page, name="receivables"),
    path("credit/", credit.page, name="credit"),
    path("funnel/", funnel.page, name="funnel"),
    path("margin/", margin.page, name="margin"),
    path("forecast/", forecast.page, name="forecast"),
    path("costs/", costs.page, name="costs"),
    path("close/", close.index, name="closes"),
    re_path(rf"^close/{MONTH}/$", close.page, name="close"),
    re_path(rf"^close/{MONTH}/sign/$", close.sign, name="close_sign"),
    re_path(rf"^close/{MONTH}/check/$", close.check, name="close_check"),
    re_path(rf"^close/{MONTH}/lock/$", close.lock, name="close_lock"),
    re_path(rf"^close/{MONTH}/reopen/$", close.reopen, name="close_reopen"),
    path("reports/", month_report.index, name="reports"),
    re_path(
        r"^reports/(?P<month>[0-9]{4}-[0-9]{2})/$", month_report.page, name="report"
    ),
    re_path(rf"^reports/{MONTH}/files/$", files.page, name="files"),
    path("files/<int:export_id>/", files.fetch, name="file"),
    path("invoices/<uuid:public_id>/", views.invoice, name="invoice"),
    path("invoices/<uuid:public_id>/pdf/", views.invoice_pdf, name="invoice_pdf"),
    path(
        "invoices/<uuid:public_id>/lines/<int:position>/",
        explaining.line,
        name="explained_line",
    ),
    path(
        "invoices/<uuid:public_id>/lines/<int:position>/<str:date>/",
        explaining.day,
        name="explained_day",
    ),
]
