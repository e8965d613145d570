"""Routes of plan versions and subscriptions under the management API."""

from rest_framework.routers import SimpleRouter

from metering.subscriptions.api.views import PlanVersionViewSet, SubscriptionViewSet

router = SimpleRouter(use_regex_path=False)
router.register("plan-versions", PlanVersionViewSet, basename="plan_version")
router.register("subscriptions", SubscriptionViewSet, basename="subscription")

urlpatterns = router.urls
