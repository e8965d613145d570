"""Django application: price books and rating."""

from django.apps import AppConfig


class PricingConfig(AppConfig):
    """The metering part that owns price books and rating."""

    name = "metering.pricing"
    label = "pricing"
    default_auto_field = "django.db.models.BigAutoField"
