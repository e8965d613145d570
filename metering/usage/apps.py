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
        """Begin the calendar of each tenant in the transaction that creates it."""
        post_save.connect(_begin_calendar, sender="tenants.Tenant")


def _begin_calendar(*, instance: Any, created: bool, using: str, **_: Any) -> None:
    # Imported here because Django's applications are not ready when this module is
    # read.
    from metering.usage.epochs import database_now  # noqa: PLC0415
    from metering.usage.services import begin_calendar  # noqa: PLC0415

    # Only operators may write the calendar; the hourly task sees to any other tenant.
    if created and using == OPERATOR:
        begin_calendar(tenant=instance, now=database_now())
