"""Django application: what a billing provider tells us."""

from django.apps import AppConfig


class InboxConfig(AppConfig):
    """The metering part that takes in webhooks and sees each of them through."""

    name = "metering.inbox"
    label = "inbox"
    default_auto_field = "django.db.models.BigAutoField"
