"""Django application: what was set right of usage, by whom and why."""

from django.apps import AppConfig


class AdjustmentsConfig(AppConfig):
    """The metering part in which people set right what was metered or priced."""

    name = "metering.adjustments"
    label = "adjustments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let re-ratings be jobs."""
        # Models can be imported only once every application is loaded.
        from metering.adjustments import rerating_job  # noqa: PLC0415
        from metering.jobs.kinds import register  # noqa: PLC0415

        register(rerating_job.KIND)
