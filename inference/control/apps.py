"""Django application: what is served, and its publication to the gateways."""

from django.apps import AppConfig


class ControlConfig(AppConfig):
    """Served models, replicas and the snapshot that gateways follow."""

    name = "inference.control"
    label = "control"
    default_auto_field = "django.db.models.BigAutoField"
