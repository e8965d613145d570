"""Django application: what is collected through a billing provider."""

from django.apps import AppConfig


class CollectionConfig(AppConfig):
    """The metering part between what is owed and what a provider holds of it."""

    name = "metering.collection"
    label = "collection"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Act on what the provider tells."""
        # Handlers name models, which are there only once every application is loaded.
        from metering.collection import (  # noqa: F401, PLC0415
            handling,
            method_handlers,
            tax_id_handlers,
        )
        from metering.collection.buying import handlers  # noqa: F401, PLC0415
        from metering.collection.meters import reports  # noqa: F401, PLC0415
        from metering.collection.outgoing import queueing  # noqa: PLC0415

        queueing.connect()
