"""Django application: usage events and their rollups."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_save

from kit.orm.roles import OPERATOR


class UsageConfig(AppConfig):
    """The metering part that owns usage events and their rollups."""

    name = "metering.usage"
    label = "usage"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Write a tenant's calendar as it is made or changed; count late requests."""
        # Models can be imported only once every application is loaded.
        from metering.usage import selectors  # noqa: PLC0415
        from tenants import activity  # noqa: PLC0415

        activity.read_from(selectors.requests_since, selectors.calls_of)
        post_save.connect(_renew_calendar, sender="tenants.Tenant")


def _renew_calendar(*, instance: Any, using: str, **_: Any) -> None:
    # Imported here because Django's applications are not ready when this module is
    # read.
    from metering.usage.epochs import database_now  # noqa: PLC0415
    from metering.usage.services import renew_calendar  # noqa: PLC0415

    # Only operators may write the calendar; the hourly task sees to any other tenant.
    if using == OPERATOR:
        renew_calendar(tenant=instance, now=database_now())
