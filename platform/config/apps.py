"""Django application: the project itself, for its roles migration and commands."""

from importlib import import_module

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """The composition root."""

    name = "config"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        import_module("config.checks")
