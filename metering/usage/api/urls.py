"""The addresses of the usage report and of the request log."""

from django.urls import path

from metering.usage.api.requests import RequestLogView
from metering.usage.api.views import UsageView

urlpatterns = [
    path("usage/", UsageView.as_view(), name="usage"),
    path(
        "usage/requests/", RequestLogView.as_view({"get": "list"}), name="request_log"
    ),
]
