"""Django application: what is collected through a billing provider."""

from django.apps import AppConfig


class CollectionConfig(AppConfig):
    """The metering part between what is owed and what a provider holds of it."""

    name = "metering.collection"
    label = "collection"
    default_auto_field = "django.db.models.BigAutoField"
