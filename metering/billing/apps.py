"""Django application: periods, invoices and providers."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """The metering part that owns periods, invoices and providers."""

    name = "metering.billing"
    label = "billing"
    default_auto_field = "django.db.models.BigAutoField"
