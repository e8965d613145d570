"""Addresses of reconciliation runs and what they found."""

from django.urls import path

from metering.reconciliation.api.views import DifferenceViewSet, RunViewSet

urlpatterns = [
    path("reconciliation/", RunViewSet.as_view({"get": "list"})),
    path("reconciliation/<int:pk>/", RunViewSet.as_view({"get": "retrieve"})),
    path(
        "reconciliation/<int:pk>/differences/",
        DifferenceViewSet.as_view({"get": "list"}),
    ),
]
