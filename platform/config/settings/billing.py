"""Who invoices, through whom."""

from config.env import BillingSettings, load

_billing = load(BillingSettings)

SELLER_NAME = _billing.seller_name
BILLING_PROVIDER = _billing.billing_provider
EXPORT_DAYS_KEPT = _billing.export_days_kept
INVOICE_DAYS_UNTIL_DUE = _billing.invoice_days_until_due
STRIPE_API_KEY = _billing.stripe_api_key.get_secret_value()
STRIPE_API_BASE = _billing.stripe_api_base
STRIPE_TIMEOUT_MS = _billing.stripe_timeout_ms
