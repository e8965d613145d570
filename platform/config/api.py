"""The management API, put together from each app's own routes, and its document.

The document and its pages may be read by anybody: they hold no data.
"""

from collections.abc import Mapping
from typing import ClassVar

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from kit.drf.schema import ManagementSchemaGenerator


class SchemaGenerator(ManagementSchemaGenerator):
    """The document of this installation's API."""

    tag_descriptions: ClassVar[Mapping[str, str]] = {
        "tenants": "Who pays: the unit of isolation, of billing and of limits.",
        "projects": "Parts of a tenant's use, with keys of their own.",
        "keys": "API keys: shown once when issued, revoked for good.",
        "models": "What callers may ask for, by its public name.",
        "replicas": "Engine processes that serve a model.",
        "price-books": "What a token costs: versions, immutable once published.",
        "usage": "What was used and what it costs.",
        "invoices": "What tenants owe for their billing periods.",
        "reconciliation": "When the books were checked, and what did not agree.",
    }


urlpatterns = [
    path("", include("tenants.api.urls")),
    path("", include("inference.control.api.urls")),
    path("", include("metering.pricing.api.urls")),
    path("", include("metering.usage.api.urls")),
    path("", include("metering.billing.api.urls")),
    path("", include("metering.reconciliation.api.urls")),
    path(
        "schema/",
        SpectacularAPIView.as_view(
            generator_class=SchemaGenerator, authentication_classes=[]
        ),
        name="schema",
    ),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(
            url_name="schema", authentication_classes=[]
        ),
        name="docs",
    ),
]
