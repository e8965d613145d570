"""The address of the usage report."""

from django.urls import path

from metering.usage.api.views import UsageView

urlpatterns = [path("usage/", UsageView.as_view(), name="usage")]
