"""Addresses of the web process."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config.billing_metrics import BillingMetrics
from pages import appearance

urlpatterns = [
    path("", RedirectView.as_view(url="/accounts/login/"), name="home"),
    path("admin/", include("pages.operations.urls")),
    path("admin/", admin.site.urls),
    path("appearance/", appearance.choose, name="appearance"),
    path("accounts/", include("pages.accounts.urls")),
    path("console/", include("pages.console.urls")),
    path("finance/", include("pages.finance.urls")),
    path("api/v1/", include("config.api")),
    path("metrics/billing/", BillingMetrics.as_view(), name="billing-metrics"),
    path("webhooks/", include("metering.inbox.urls")),
]

handler400 = "config.error_pages.bad_request"
handler403 = "config.error_pages.forbidden"
handler404 = "config.error_pages.not_found"
handler500 = "config.error_pages.server_error"
