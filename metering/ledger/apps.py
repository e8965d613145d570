"""Django application: double entry, and credit."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """The metering part that owns double entry and credit."""

    name = "metering.ledger"
    label = "ledger"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Follow how tenants pay from now on."""
        # Models can be imported only once every application is loaded.
        from metering.ledger import receivers  # noqa: PLC0415

        receivers.connect()
