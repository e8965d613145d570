"""Django application: the project itself, for its roles migration and commands."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """The composition root."""

    name = "config"
    default_auto_field = "django.db.models.BigAutoField"
