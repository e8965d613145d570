"""The address of what may still be spent."""

from django.urls import path

from metering.budgets.api.views import StandingView

urlpatterns = [path("limits/standing/", StandingView.as_view(), name="standing")]
