"""Django application: long work in steps, seen as it goes on."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """The metering part that does what takes longer than anybody would wait."""

    name = "metering.jobs"
    label = "jobs"
    default_auto_field = "django.db.models.BigAutoField"
