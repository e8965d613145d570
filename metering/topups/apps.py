"""Django application: top-ups of prepaid credit."""

from django.apps import AppConfig


class TopUpsConfig(AppConfig):
    """The metering part that owns top-ups and the rules that ask for them."""

    name = "metering.topups"
    label = "topups"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Grant the credit once its invoice is paid."""
        # Models can be imported only once every application is loaded.
        from metering.topups import receivers  # noqa: PLC0415

        receivers.connect()
