"""Routes of adjustments and re-ratings under the management API."""

from rest_framework.routers import SimpleRouter

from metering.adjustments.api.views import AdjustmentViewSet, ReratingViewSet

router = SimpleRouter(use_regex_path=False)
router.register("usage/adjustments", AdjustmentViewSet, basename="adjustment")
router.register("usage/reratings", ReratingViewSet, basename="rerating")

urlpatterns = router.urls
