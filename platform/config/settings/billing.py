"""Who invoices, through whom."""

from config.env import load
from config.env_base import listed
from config.env_billing import BillingSettings
from kit.money import picos_from_decimal

_billing = load(BillingSettings)

SELLER_NAME = _billing.seller_name
BILLING_PROVIDER = _billing.billing_provider
GRANT_APPROVAL_ABOVE_PICOS = (
    picos_from_decimal(_billing.grant_approval_above)
    if _billing.grant_approval_above
    else None
)
EXPORT_DAYS_KEPT = _billing.export_days_kept
INVOICE_DAYS_UNTIL_DUE = _billing.invoice_days_until_due
# Rising: a step is never nearer to the one before than the schedule has it.
DUNNING_DAYS = tuple(
    sorted({int(each) for each in listed(_billing.dunning_days) if each != "never"})
)
STRIPE_API_KEY = _billing.stripe_api_key.get_secret_value()
STRIPE_API_BASE = _billing.stripe_api_base
STRIPE_TIMEOUT_MS = _billing.stripe_timeout_ms
STRIPE_WEBHOOK_SECRETS = _billing.webhook_secrets
STRIPE_ACCOUNT_ID = _billing.stripe_account_id
STRIPE_AUTOMATIC_TAX = _billing.stripe_automatic_tax
STRIPE_METER_EVENTS = _billing.stripe_meter_events
STRIPE_METERS = _billing.meters
STRIPE_ACCOUNTS = _billing.further_accounts
STRIPE_CONCURRENCY = _billing.stripe_concurrency
