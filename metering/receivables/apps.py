"""Django application: what came in for invoices, and what did not."""

from django.apps import AppConfig


class ReceivablesConfig(AppConfig):
    """The metering part that owns payments, credit notes, write-offs and dunning."""

    name = "metering.receivables"
    label = "receivables"
    default_auto_field = "django.db.models.BigAutoField"
