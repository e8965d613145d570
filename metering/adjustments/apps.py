"""Django application: what was set right of usage, by whom and why."""

from django.apps import AppConfig


class AdjustmentsConfig(AppConfig):
    """The metering part in which people set right what was metered or priced."""

    name = "metering.adjustments"
    label = "adjustments"
    default_auto_field = "django.db.models.BigAutoField"
