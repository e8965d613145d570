"""Django application: what plans cost, and who subscribes to which."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """The metering part that says what a tenant's plan makes due in a period."""

    name = "metering.subscriptions"
    label = "subscriptions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Look at how tenants pay from now on; let moves be jobs."""
        # Models can be imported only once every application is loaded.
        from metering.jobs.kinds import register  # noqa: PLC0415
        from metering.subscriptions import migrating, receivers  # noqa: PLC0415

        receivers.connect()
        register(migrating.KIND)
