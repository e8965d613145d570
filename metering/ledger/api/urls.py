"""Routes of credit grants under the management API."""

from rest_framework.routers import SimpleRouter

from metering.ledger.api.views import CreditGrantViewSet

router = SimpleRouter(use_regex_path=False)
router.register("credit-grants", CreditGrantViewSet, basename="credit_grant")

urlpatterns = router.urls
