"""Django application: what came in for invoices, and what did not."""

from django.apps import AppConfig


class ReceivablesConfig(AppConfig):
    """The metering part that owns payments, credit notes, write-offs and dunning."""

    name = "metering.receivables"
    label = "receivables"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Say how mails of unpaid invoices are composed."""
        # Models can be imported only once every application is loaded.
        from metering.receivables.mails import composed  # noqa: PLC0415
        from tenants.mails.sending import hand_over  # noqa: PLC0415
        from tenants.models import Mail  # noqa: PLC0415

        hand_over(Mail.Kind.DUNNING, composed)
