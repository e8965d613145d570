"""Django application: what plans cost, and who subscribes to which."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """The metering part that says what a tenant's plan makes due in a period."""

    name = "metering.subscriptions"
    label = "subscriptions"
    default_auto_field = "django.db.models.BigAutoField"
