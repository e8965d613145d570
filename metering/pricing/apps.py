"""Django application: price books and rating."""

from django.apps import AppConfig


class PricingConfig(AppConfig):
    """The metering part that owns price books and rating."""

    name = "metering.pricing"
    label = "pricing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let previews be jobs."""
        # Models can be imported only once every application is loaded.
        from metering.jobs.kinds import register  # noqa: PLC0415
        from metering.pricing import replaying  # noqa: PLC0415

        register(replaying.KIND)
