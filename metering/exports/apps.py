"""Django application: what is taken out of the books, as files."""

from django.apps import AppConfig


class ExportsConfig(AppConfig):
    """The metering part that writes usage, ledger and invoices into files."""

    name = "metering.exports"
    label = "exports"
    default_auto_field = "django.db.models.BigAutoField"
