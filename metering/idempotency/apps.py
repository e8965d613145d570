"""Django application: what was asked with an `Idempotency-Key`, and its retries."""

from django.apps import AppConfig


class IdempotencyConfig(AppConfig):
    """The metering part that runs one attempt at a time and credits our failures."""

    name = "metering.idempotency"
    label = "idempotency"
    default_auto_field = "django.db.models.BigAutoField"
