"""The management API and its OpenAPI document."""

from config.env import ApiSettings, load
from inference.openai.media import Modality
from inference.openai.tasks import Task
from kit.acting import ActorKind
from kit.contracts import CountedBy, EventKind, EventStatus, Surface
from kit.handling import KeyPart
from kit.scopes import DATA_PLANE, EVERY

_api = load(ApiSettings)

API_READS_PER_MINUTE = _api.api_reads_per_minute
API_WRITES_PER_MINUTE = _api.api_writes_per_minute
API_FAILED_AUTH_PER_MINUTE = _api.api_failed_auth_per_minute
# A `kit.drf.idempotency.AnswerStore`.
ANSWER_STORE = "tenants.idempotency.StoredAnswers"

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
        "Tenants, projects, API keys, models, replicas, price books, usage and invoices, for operators and for "
        "tenants: both call the same addresses, and a tenant's token sees that tenant alone.\n\n"
        "**Money** is text, never a JSON number: exact in picos (10^-12 of the currency's unit) and as a decimal. "
        "**Instants** are RFC 3339 with an offset. **Lists** are paged by `cursor`, newest first.\n\n"
        "**Scopes**: each operation names the one it takes; a token without it is a 403. `GET /api/v1/me/` tells "
        "what a token holds.\n\n"
        "**Once**: a write sent with an `Idempotency-Key` is done once, however often it is sent in a day. "
        "**Versions**: an object comes with an `ETag`; a write with `If-Match` is done to that version or not at "
        "all.\n\n"
        "**Refusals** have the shape of `Problem`, a problem document (RFC 9457), and say what to change. Every answer "
        "has an `x-request-id`, the caller's own when it sent a UUID. Who asks too often is told by a 429 and "
        "`Retry-After` when to go on."
    ),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "DEFAULT_GENERATOR_CLASS": "kit.drf.schema.ManagementSchemaGenerator",
    "SERVERS": [{"url": "/", "description": "This installation."}],
    "TAGS": [
        {"name": name, "description": description}
        for name, description in {
            "me": "Who calls: what its token is and holds.",
            "tenants": "Who pays: the unit of isolation, of billing and of limits.",
            "projects": "Parts of a tenant's use, with keys of their own.",
            "members": "People of a tenant, by role and projects.",
            "invitations": "Places offered to people, by mail.",
            "keys": "API keys: shown once when issued, revoked for good.",
            "tokens": "Management tokens: who calls this API, and how much it may do.",
            "plans": "What tenants may use unless their own limits say otherwise.",
            "rate-limits": "How fast: so many per window, or so many at a time.",
            "quotas": "How many tokens in a window.",
            "budgets": "How much money in a window.",
            "webhook-endpoints": "Who is told by webhook when a share of a budget is used.",
            "limits": "What the limits come to for a key, a project or a tenant, and what is left.",
            "credit-grants": "What a tenant may use before it pays anything else.",
            "ledger": "Wallets, statements of credit, and what stands on the accounts.",
            "payments": "What came in for invoices.",
            "refunds": "What went back of payments.",
            "credit-notes": "What was taken back of invoices, by lines, with the tax on them.",
            "plan-versions": "What plans cost those who subscribe to them, immutable once published.",
            "subscriptions": "Which plan version a tenant holds, and when.",
            "dunning-steps": "What was done about unpaid invoices.",
            "top-ups": "Credit that tenants buy: asked for, invoiced, paid.",
            "top-up-rules": "When tenants' credit is topped up by itself.",
            "checkouts": "Pages of the billing provider's on which people pay for credit.",
            "payment-methods": "What tenants can pay with, as the billing provider has it.",
            "portal-links": "Links to the billing provider's page for customers.",
            "billing-profiles": "Who tenants are on their invoices.",
            "billing-addresses": "Where tenants' bills go, once whoever has the address agreed.",
            "tax-rates": "What places charge, from when until when.",
            "tax-treatments": "How tenants are taxed: by the rates of a place, or not, and why.",
            "audit": "Who changed what, and when: chains in which nothing can be altered unseen.",
            "models": "What callers may ask for, by its public name.",
            "model-aliases": "Other names by which callers find a served model.",
            "replicas": "Engine processes that serve a model.",
            "price-books": "What a token costs: versions, immutable once published.",
            "contracts": "Prices of its own for one tenant, for a span of time.",
            "price-book-assignments": "Who pays by a price book of its own, and when.",
            "usage": "What was used and what it costs.",
            "invoices": "What tenants owe for their billing periods.",
            "exports": "Files of usage, ledger entries and invoice lines, as CSV or in the columns of FOCUS 1.2.",
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
        "ActorKind": [kind.value for kind in ActorKind],
        "CallerKind": ["root_token", "operator_token", "tenant_token"],
        "AdjustmentKind": "metering.adjustments.models.Adjustment.Kind",
        "RequestedAdjustmentKind": ["void", "correct"],
        "ReratingState": "metering.adjustments.models.Rerating.State",
        "BillingAddressState": "tenants.models.BillingAddress.State",
        "BudgetKind": "metering.budgets.models.Window.Kind",
        "AccountKind": "metering.ledger.models.Account.Kind",
        "TransactionKind": "metering.ledger.models.Transaction.Kind",
        "CreditSource": "metering.ledger.models.CreditGrant.Source",
        "CreditReversal": "metering.ledger.models.CreditGrant.Reversal",
        "ExportForm": "metering.exports.models.Form",
        "ExportState": "metering.exports.models.Export.State",
        "ExportSubject": "metering.exports.models.Subject",
        "InvitationState": "tenants.models.Invitation.State",
        "InvoiceKind": "metering.billing.models.Invoice.Kind",
        "InvoiceState": "metering.billing.models.Invoice.State",
        "DunningKind": "metering.receivables.models.DunningStep.Kind",
        "DunningMail": "metering.receivables.models.DunningStep.Mail",
        "InvoiceHoldKind": "metering.receivables.models.Hold.Kind",
        "InvoiceLineKind": "metering.billing.models.InvoiceLine.Kind",
        "KeyScope": sorted(DATA_PLANE),
        "KeyState": "tenants.models.KeyState",
        "LimitKind": ["rate_limit", "quota", "budget"],
        "LimitLevel": "tenants.models.Level",
        "LimitSetter": "tenants.models.SetBy",
        "LimitWindow": "tenants.models.Window",
        "QuotaUnit": "tenants.models.Quota.Unit",
        "RateLimitUnit": "tenants.models.RateLimit.Unit",
        "RateLimitWindow": "tenants.models.RateLimit.Window",
        "PaymentExcess": ["paid_back", "credit"],
        "PaymentMethod": "metering.receivables.models.Payment.Method",
        "PaymentMode": "tenants.models.Tenant.PaymentMode",
        "ContractState": ["draft", "signed", "ended"],
        "PlanVersionState": ["draft", "published"],
        "PlanMeter": "metering.subscriptions.models.PlanComponent.Meter",
        "PlanDiscountScope": "metering.subscriptions.models.PlanDiscount.Scope",
        "PriceBookVersionState": ["draft", "published", "corrective"],
        "ReconciliationKind": "metering.reconciliation.models.Run.Kind",
        "ReconciliationState": "metering.reconciliation.models.Run.State",
        "ReconciliationCaseState": "metering.reconciliation.models.Case.State",
        "RefundOutlet": "metering.receivables.models.Refund.Outlet",
        "MemberRole": "tenants.models.Role",
        "ModelTask": [task.value for task in Task],
        "Modality": [kind.value for kind in Modality],
        "Priority": "tenants.models.Priority",
        "RoutingPolicy": "inference.control.models.Policy",
        "ReplicaAuth": "inference.control.models.Replica.Auth",
        "ReplicaDialect": "inference.control.models.Replica.Dialect",
        "ReplicaState": "inference.control.models.Replica.State",
        "EventKind": [each.name.lower() for each in EventKind],
        "RequestKeyPart": [each.value for each in KeyPart],
        "RequestStatus": [each.name.lower() for each in EventStatus],
        "RequestSurface": [each.name.lower() for each in Surface],
        "RequestCountedBy": [each.name.lower() for each in CountedBy],
        "Scope": sorted(EVERY),
        "WebhookDeliveryState": "metering.alerts.models.Delivery.State",
        "WebhookEndpointState": ["active", "failing", "paused", "removed"],
        "WebhookEvent": [
            "budget.threshold_reached",
            "budget.spent",
            "budget.resumed",
            "top_up.waiting",
            "top_up.failed",
            "model.retiring",
        ],
        "WebhookEventType": "metering.alerts.models.EventType",
        "WebhookPausedBecause": "metering.alerts.models.Endpoint.PausedBecause",
        "CheckoutState": "metering.collection.models.Purchase.State",
        "PortalLinkState": "metering.collection.models.PortalLink.State",
        "TopUpState": "metering.topups.models.TopUp.State",
        "TopUpWay": "metering.topups.models.TopUp.Way",
        "TaxTreatmentKind": "metering.taxes.models.TaxTreatment.Kind",
        "TokenKind": "tenants.models.TokenKind",
        "TokenState": "tenants.models.TokenState",
        "TenantState": "tenants.models.Tenant.State",
        "BilledTokenClass": ["input", "cached_input", "output"],
    },
}
