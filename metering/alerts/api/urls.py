"""Addresses of webhook endpoints and their deliveries."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from metering.alerts.api.views import DeliveryViewSet, EndpointViewSet

router = SimpleRouter(use_regex_path=False)
router.register("webhook-endpoints", EndpointViewSet, basename="webhook_endpoint")

urlpatterns = [
    path(
        "webhook-endpoints/<int:pk>/deliveries/",
        DeliveryViewSet.as_view({"get": "list"}),
    ),
    *router.urls,
]
