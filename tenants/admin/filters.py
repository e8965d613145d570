"""Filters of the lists of tenants and projects."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from tenants.models import ApiKey, KeyUse

_SPANS = {
    "hour": ("In the last hour", dt.timedelta(hours=1)),
    "month": ("In the last 30 days", dt.timedelta(days=30)),
}
_IDLE_DAYS = 90


class UseFilter(SimpleListFilter):
    """When any key of a tenant was used last."""

    title = "use"
    parameter_name = "used"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the spans that operators ask for."""
        spans = [(name, label) for name, (label, _) in _SPANS.items()]
        return [
            *spans,
            ("idle", f"Not for {_IDLE_DAYS} days"),
            ("never", "Never"),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        """Keep the tenants of the chosen span."""
        chosen = self.value()
        if chosen is None:
            return None
        uses = KeyUse.objects.filter(tenant_id=OuterRef("pk"))
        if chosen == "never":
            return queryset.filter(~Exists(uses))
        now = timezone.now()
        if chosen == "idle":
            lately = uses.filter(last_used_at__gte=now - dt.timedelta(days=_IDLE_DAYS))
            return queryset.filter(Exists(uses), ~Exists(lately))
        since = now - _SPANS[chosen][1] if chosen in _SPANS else now
        return queryset.filter(Exists(uses.filter(last_used_at__gte=since)))


class KeysFilter(SimpleListFilter):
    """Whether a project has keys that are not revoked."""

    title = "keys"
    parameter_name = "keys"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer both."""
        return [("some", "With keys"), ("none", "Without keys")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        """Keep the projects with or without."""
        keep: dict[str, Callable[[Any], Any]] = {
            "some": lambda condition: condition,
            "none": lambda condition: ~condition,
        }
        chosen = self.value()
        if chosen not in keep:
            return None
        keys = ApiKey.objects.filter(project_id=OuterRef("pk"), revoked_at=None)
        return queryset.filter(keep[chosen](Exists(keys)))
