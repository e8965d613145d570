"""Django application: the project itself, for its roles migration and commands."""

from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConfigConfig(AppConfig):
    """The composition root."""

    name = "config"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        import_module("config.checks")


class OperatorAdminConfig(AdminConfig):
    """The admin, with our own way in."""

    default_site = "config.site.OperatorSite"
