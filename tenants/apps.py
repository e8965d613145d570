"""Django application: who may call."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Tenants, projects and API keys."""

    name = "tenants"
    default_auto_field = "django.db.models.BigAutoField"
