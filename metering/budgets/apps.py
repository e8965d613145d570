"""Django application: what of budgets and quotas is used, and who holds the rest."""

from django.apps import AppConfig


class BudgetsConfig(AppConfig):
    """The metering part that owns the windows of budgets and their leases."""

    name = "metering.budgets"
    label = "budgets"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Recall leases with each change of what limits a tenant from now on."""
        # Models can be imported only once every application is loaded.
        from metering.budgets import receivers  # noqa: PLC0415

        receivers.connect()
