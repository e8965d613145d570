"""Django application: invoices and credit notes as their readers get them."""

from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    """The metering part that lays out and keeps what is sent to those who pay."""

    name = "metering.documents"
    label = "documents"
    default_auto_field = "django.db.models.BigAutoField"
