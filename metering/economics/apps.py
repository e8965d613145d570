"""Django application: what serving costs, and what is left of revenue."""

from django.apps import AppConfig


class EconomicsConfig(AppConfig):
    """The metering part for cost, margin and the closing of months."""

    name = "metering.economics"
    label = "economics"
    default_auto_field = "django.db.models.BigAutoField"
