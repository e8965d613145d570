"""Django application: invoices and credit notes as their readers get them."""

from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    """The metering part that lays out and keeps what is sent to those who pay."""

    name = "metering.documents"
    label = "documents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Say how mails of bills are composed."""
        # Models can be imported only once every application is loaded.
        from metering.documents import failing, telling  # noqa: PLC0415
        from tenants.mails.sending import hand_over  # noqa: PLC0415
        from tenants.models import Mail  # noqa: PLC0415

        hand_over(Mail.Kind.INVOICE, telling.issued_letter)
        hand_over(Mail.Kind.PAYMENT, telling.received_letter)
        hand_over(Mail.Kind.UNCOLLECTED, failing.failed_letter)
