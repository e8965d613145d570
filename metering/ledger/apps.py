"""Django application: double entry."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """The metering part that owns double entry."""

    name = "metering.ledger"
    label = "ledger"
    default_auto_field = "django.db.models.BigAutoField"
