"""The management API and its OpenAPI document."""

from inference.tokenizers.shipped import SHIPPED
from kit.scopes import DATA_PLANE

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.api.authentication.BearerToken"],
    "DEFAULT_PERMISSION_CLASSES": ["kit.drf.permissions.HoldsScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["kit.drf.parsers.BoundedJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "kit.drf.pagination.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "kit.drf.errors.render",
    "UNAUTHENTICATED_USER": None,
    "PAGE_SIZE": 50,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Tollgate management API",
    "DESCRIPTION": (
        "Tenants, projects, API keys, models, replicas, price books, usage and invoices, for operators.\n\n"
        "Money is text, never a JSON number: exact in picos (10^-12 of the currency's unit) and as a decimal. "
        "Instants are RFC 3339 with an offset. Lists are paged by `cursor`, newest first. Every refusal has the "
        "shape of `Error`, and every answer an `x-request-id`, the caller's own when it sent a UUID."
    ),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "DEFAULT_GENERATOR_CLASS": "kit.drf.schema.ManagementSchemaGenerator",
    "SERVERS": [{"url": "/", "description": "This installation."}],
    "TAGS": [
        {"name": name, "description": description}
        for name, description in {
            "tenants": "Who pays: the unit of isolation, of billing and of limits.",
            "projects": "Parts of a tenant's use, with keys of their own.",
            "keys": "API keys: shown once when issued, revoked for good.",
            "models": "What callers may ask for, by its public name.",
            "replicas": "Engine processes that serve a model.",
            "price-books": "What a token costs: versions, immutable once published.",
            "usage": "What was used and what it costs.",
            "invoices": "What tenants owe for their billing periods.",
            "reconciliation": "When the books were checked, and what did not agree.",
        }.items()
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "InvoiceState": "metering.billing.models.Invoice.State",
        "InvoiceLineKind": "metering.billing.models.InvoiceLine.Kind",
        "KeyScope": sorted(DATA_PLANE),
        "KeyState": "tenants.models.KeyState",
        "PriceBookVersionState": ["draft", "published"],
        "ReconciliationKind": "metering.reconciliation.models.Run.Kind",
        "ReconciliationState": "metering.reconciliation.models.Run.State",
        "ReplicaDialect": "inference.control.models.Replica.Dialect",
        "ReplicaState": "inference.control.models.Replica.State",
        "TenantState": "tenants.models.Tenant.State",
        "BilledTokenClass": ["input", "cached_input", "output"],
        "Tokenizer": list(SHIPPED),
    },
}
