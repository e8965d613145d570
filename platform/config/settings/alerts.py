"""Alerts: whom webhooks may call, and what their secrets are sealed with."""

from config.env import AlertSettings, SecretSettings, load
from kit.secrets import Purpose, derive

_alerts = load(AlertSettings)
_secrets = load(SecretSettings)

WEBHOOK_NETWORKS_ALLOWED = _alerts.networks_allowed
WEBHOOK_HTTP_LOOPBACK = _alerts.webhook_http_loopback
WEBHOOK_SECRET_KEY = derive(
    _secrets.key_pepper.get_secret_value().encode(), Purpose.WEBHOOK_SECRET
)
