"""Routes of top-ups under the management API."""

from rest_framework.routers import SimpleRouter

from metering.topups.api.views import TopUpRuleViewSet, TopUpViewSet

router = SimpleRouter(use_regex_path=False)
router.register("top-ups", TopUpViewSet, basename="top_up")
router.register("top-up-rules", TopUpRuleViewSet, basename="top_up_rule")

urlpatterns = router.urls
