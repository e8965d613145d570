"""Django application: telling tenants and operators how far budgets are used."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """The metering part that watches shares of budgets, and tells when one is used."""

    name = "metering.alerts"
    label = "alerts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Look anew at the windows of whoever's limits change."""
        # Models can be imported only once every application is loaded.
        from metering.alerts import receivers  # noqa: PLC0415

        receivers.connect()
