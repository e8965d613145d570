"""Routes of collection under the management API."""

from rest_framework.routers import SimpleRouter

from metering.collection.api.views import (
    CheckoutViewSet,
    PaymentMethodViewSet,
    PortalLinkViewSet,
)

router = SimpleRouter(use_regex_path=False)
router.register("checkouts", CheckoutViewSet, basename="checkout")
router.register("payment-methods", PaymentMethodViewSet, basename="payment_method")
router.register("portal-links", PortalLinkViewSet, basename="portal_link")

urlpatterns = router.urls
