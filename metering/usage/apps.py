"""Django application: usage events and their rollups."""

from django.apps import AppConfig


class UsageConfig(AppConfig):
    """The metering part that owns usage events and their rollups."""

    name = "metering.usage"
    label = "usage"
    default_auto_field = "django.db.models.BigAutoField"
