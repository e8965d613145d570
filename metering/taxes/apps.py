"""Django application: tax rates, and which of them tenants pay."""

from django.apps import AppConfig


class TaxesConfig(AppConfig):
    """The metering part that owns tax rates and tenants' treatment."""

    name = "metering.taxes"
    label = "taxes"
    default_auto_field = "django.db.models.BigAutoField"
