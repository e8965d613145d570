"""Routes of invoices under the management API."""

from rest_framework.routers import SimpleRouter

from metering.billing.api.views import InvoiceViewSet

router = SimpleRouter(use_regex_path=False)
router.register("invoices", InvoiceViewSet, basename="invoice")

urlpatterns = router.urls
