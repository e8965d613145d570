"""Django application: what serving costs, and what is left of revenue."""

from django.apps import AppConfig


class EconomicsConfig(AppConfig):
    """The metering part for cost, margin and the closing of months."""

    name = "metering.economics"
    label = "economics"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let months be checked by a job."""
        # It names models, which are there only once every application is loaded.
        from metering.economics.closing import checking  # noqa: PLC0415

        checking.register_kind()
