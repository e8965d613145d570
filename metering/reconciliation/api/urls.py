"""Addresses of reconciliation: runs and what they found, cases, proofs, engines."""

from django.urls import path

from metering.reconciliation.api.views import (
    CaseViewSet,
    DifferenceViewSet,
    EngineProcessViewSet,
    ProofViewSet,
    RunViewSet,
)

_CASE = "reconciliation/cases/<int:pk>/"

urlpatterns = [
    path(
        "reconciliation/",
        RunViewSet.as_view({"get": "list", "post": "create"}),
    ),
    path("reconciliation/<int:pk>/", RunViewSet.as_view({"get": "retrieve"})),
    path(
        "reconciliation/<int:pk>/differences/",
        DifferenceViewSet.as_view({"get": "list"}),
    ),
    path("reconciliation/cases/", CaseViewSet.as_view({"get": "list"})),
    path(_CASE, CaseViewSet.as_view({"get": "retrieve"})),
    path(f"{_CASE}take/", CaseViewSet.as_view({"post": "take"})),
    path(f"{_CASE}explain/", CaseViewSet.as_view({"post": "explain"})),
    path(f"{_CASE}reopen/", CaseViewSet.as_view({"post": "reopen"})),
    path("reconciliation/epochs/", ProofViewSet.as_view({"get": "list"})),
    path("reconciliation/engines/", EngineProcessViewSet.as_view({"get": "list"})),
]
