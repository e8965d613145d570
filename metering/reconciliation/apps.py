"""Django application: the books held against each other."""

from django.apps import AppConfig


class ReconciliationConfig(AppConfig):
    """The metering part that proves the others right, or says where they differ."""

    name = "metering.reconciliation"
    label = "reconciliation"
    default_auto_field = "django.db.models.BigAutoField"
