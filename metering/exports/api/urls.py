"""Routes of exports under the management API."""

from rest_framework.routers import SimpleRouter

from metering.exports.api.views import ExportViewSet

router = SimpleRouter(use_regex_path=False)
router.register("exports", ExportViewSet, basename="export")

urlpatterns = router.urls
