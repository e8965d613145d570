"""The management API, put together from each app's own routes, and its document.

The document and its pages may be read by anybody: they hold no data. What the document
says of the whole, and of each group of operations, stands in `settings/rest.py`.
"""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from pages.reference import ReferenceView

urlpatterns = [
    path("", include("tenants.api.urls")),
    path("", include("inference.control.api.urls")),
    path("", include("metering.pricing.api.urls")),
    path("", include("metering.usage.api.urls")),
    path("", include("metering.adjustments.api.urls")),
    path("", include("metering.budgets.api.urls")),
    path("", include("metering.ledger.api.urls")),
    path("", include("metering.subscriptions.api.urls")),
    path("", include("metering.taxes.api.urls")),
    path("", include("metering.topups.api.urls")),
    path("", include("metering.collection.api.urls")),
    path("", include("metering.billing.api.urls")),
    path("", include("metering.exports.api.urls")),
    path("", include("metering.receivables.api.urls")),
    path("", include("metering.documents.api.urls")),
    path("", include("metering.reconciliation.api.urls")),
    path("", include("metering.alerts.api.urls")),
    path(
        "schema/",
        SpectacularAPIView.as_view(authentication_classes=[]),
        name="schema",
    ),
    path("docs/", ReferenceView.as_view(url_name="schema"), name="docs"),
]
