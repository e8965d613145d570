"""Applications, middleware, templates, static files."""

from pathlib import Path

from config.env import WebSettings, load

_web = load(WebSettings)
_ADMIN_TEMPLATES = Path(__file__).resolve().parents[2] / "kit/admin/templates"

INSTALLED_APPS = [
    # Not its default, which would put a site of its own in place of ours.
    "unfold.apps.BasicAppConfig",
    "config.apps.OperatorAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    # For its copy of htmx alone.
    "django_htmx",
    "config.apps.ConfigConfig",
    "tenants.apps.TenantsConfig",
    "metering.usage.apps.UsageConfig",
    "metering.jobs.apps.JobsConfig",
    "metering.pricing.apps.PricingConfig",
    "metering.budgets.apps.BudgetsConfig",
    "metering.idempotency.apps.IdempotencyConfig",
    "metering.alerts.apps.AlertsConfig",
    "metering.ledger.apps.LedgerConfig",
    "metering.subscriptions.apps.SubscriptionsConfig",
    "metering.taxes.apps.TaxesConfig",
    "metering.billing.apps.BillingConfig",
    "metering.receivables.apps.ReceivablesConfig",
    "metering.topups.apps.TopUpsConfig",
    "metering.inbox.apps.InboxConfig",
    "metering.collection.apps.CollectionConfig",
    "metering.exports.apps.ExportsConfig",
    "metering.documents.apps.DocumentsConfig",
    "metering.reconciliation.apps.ReconciliationConfig",
    "metering.economics.apps.EconomicsConfig",
    "metering.adjustments.apps.AdjustmentsConfig",
    "inference.control.apps.ControlConfig",
    "pages.apps.PagesConfig",
    # After our pages, whose templates take the place of theirs.
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "axes",
    # For the templates of its widgets alone: they are found as all others are.
    "django.forms",
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.PagePolicy",
    "config.middleware.OperatorPages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "pages.accounts.middleware.SessionLimits",
    "config.acting.ActingAccount",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "pages.accounts.middleware.SecondFactorFirst",
    "pages.accounts.middleware.AccountPages",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the apps': these take the place of some of the admin theme's.
        "DIRS": [_ADMIN_TEMPLATES],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django.template.loaders.filesystem.Loader",
                        "kit.theme.Loader",
                    ],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "kit.sent_once.form_nonce",
            ],
        },
    }
]

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = ["config.formats"]
USE_THOUSAND_SEPARATOR = True

STATIC_URL = "/static/"
STATIC_ROOT = _web.static_root or None
# Without a folder of collected files no collect step is needed before a first start.
WHITENOISE_USE_FINDERS = not _web.static_root
if _web.static_root:
    # Each name carries a hash of its content, so browsers keep a file for ever.
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {
            "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        },
    }

DEBUG = _web.debug
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PUBLIC_URL = _web.public_url
