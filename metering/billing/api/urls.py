"""Routes of invoices under the management API."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from metering.billing.api.explaining import LineEventsView, LineView
from metering.billing.api.previews import PlanPreviewViewSet
from metering.billing.api.receipts import ReceiptViewSet
from metering.billing.api.views import BillingProfileViewSet, InvoiceViewSet

router = SimpleRouter(use_regex_path=False)
router.register("invoices", InvoiceViewSet, basename="invoice")
router.register("billing-profiles", BillingProfileViewSet, basename="billing_profile")

urlpatterns = [
    *router.urls,
    path("invoices/<int:pk>/lines/<int:position>/", LineView.as_view(), name="line"),
    path(
        "invoices/<int:pk>/lines/<int:position>/events/",
        LineEventsView.as_view(),
        name="line_events",
    ),
    path(
        "usage/requests/<uuid:pk>/",
        ReceiptViewSet.as_view({"get": "retrieve"}),
        name="receipt",
    ),
    path(
        "plan-versions/<int:pk>/preview/",
        PlanPreviewViewSet.as_view({"get": "preview"}),
    ),
]
