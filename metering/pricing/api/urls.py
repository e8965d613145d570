"""Addresses of price books, their versions and prices."""

from django.urls import path

from metering.pricing.api.contract_views import ContractViewSet
from metering.pricing.api.views import (
    AssignmentViewSet,
    PreviewViewSet,
    PriceBookViewSet,
    VersionViewSet,
)

_VERSIONS = "price-books/<int:book_id>/versions/"
_VERSION = _VERSIONS + "<int:number>/"

urlpatterns = [
    path("price-books/", PriceBookViewSet.as_view({"get": "list", "post": "create"})),
    path("price-books/<int:book_id>/", PriceBookViewSet.as_view({"get": "retrieve"})),
    path(
        "price-books/<int:book_id>/assign/",
        PriceBookViewSet.as_view({"post": "assign"}),
    ),
    path("price-book-assignments/", AssignmentViewSet.as_view({"get": "list"})),
    path(
        "price-book-assignments/<int:pk>/end/",
        AssignmentViewSet.as_view({"post": "end"}),
    ),
    path("contracts/", ContractViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "contracts/<int:pk>/",
        ContractViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
    path("contracts/<int:pk>/prices/", ContractViewSet.as_view({"put": "set_prices"})),
    path("contracts/<int:pk>/sign/", ContractViewSet.as_view({"post": "sign"})),
    path("contracts/<int:pk>/end/", ContractViewSet.as_view({"post": "end"})),
    path(_VERSIONS, VersionViewSet.as_view({"get": "list", "post": "create"})),
    path(
        _VERSION,
        VersionViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
    path(_VERSION + "prices/", VersionViewSet.as_view({"put": "set_prices"})),
    path(_VERSION + "preview/", PreviewViewSet.as_view({"get": "preview"})),
    path(_VERSION + "preview/total/", PreviewViewSet.as_view({"get": "preview_total"})),
    path(_VERSION + "publish/", VersionViewSet.as_view({"post": "publish"})),
]
