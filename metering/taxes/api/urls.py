"""Routes of taxes under the management API."""

from rest_framework.routers import SimpleRouter

from metering.taxes.api.views import TaxRateViewSet, TaxTreatmentViewSet

router = SimpleRouter(use_regex_path=False)
router.register("tax-rates", TaxRateViewSet, basename="tax_rate")
router.register("tax-treatments", TaxTreatmentViewSet, basename="tax_treatment")

urlpatterns = router.urls
