"""What lists of credentials are narrowed by, and what is done to many of them."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from kit.admin import BulkAction, Consequences
from tenants import activity, services
from tenants.models import ApiKey, KeyState

UNUSED = dt.timedelta(days=90)
EXPIRING = dt.timedelta(days=14)
LATELY = dt.timedelta(hours=1)


class StateFilter(SimpleListFilter):
    """In which state a key is."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Offer every state."""
        return KeyState.choices

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Any] | None:
        """Keep the keys in the chosen state."""
        chosen = self.value()
        if chosen not in KeyState.values:
            return None
        found: QuerySet[Any] = queryset.in_state(KeyState(chosen), timezone.now())
        return found


class _UpkeepFilter(SimpleListFilter):
    """What somebody should look after; `used_at` names when it was last used."""

    title = "upkeep"
    parameter_name = "upkeep"
    used_at: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer both reasons."""
        return [
            ("unused", f"Unused for {UNUSED.days} days"),
            ("expiring", f"Expiring in {EXPIRING.days} days"),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        """Keep what is still there to be looked after."""
        now, rows = timezone.now(), queryset.filter(revoked_at=None)
        if self.value() == "unused":
            since = now - UNUSED
            never = Q(**{self.used_at: None}, created_at__lt=since)
            return rows.filter(never | Q(**{f"{self.used_at}__lt": since}))
        if self.value() == "expiring":
            return rows.filter(expires_at__gt=now, expires_at__lte=now + EXPIRING)
        return None


class KeyUpkeepFilter(_UpkeepFilter):
    """Keys that nobody uses, or that will end soon."""

    used_at = "use__last_used_at"


class TokenUpkeepFilter(_UpkeepFilter):
    """Tokens that nobody uses, or that will end soon."""

    used_at = "last_used_at"


def still_used(row: ApiKey, *, now: dt.datetime) -> str:
    """Say when a key was last used and how busy it is."""
    if row.last_use is None:
        return "It was never used."
    requests = activity.requests_since(
        now - LATELY, tenant_id=row.tenant_id, api_key_ids=[row.pk]
    )
    return (
        f"Last used {row.last_use.last_used_at:%Y-%m-%d %H:%M} UTC for"
        f" {row.last_use.model}. Requests in the last hour: {activity.said(requests)}."
    )


class _KeysAction(BulkAction):
    """Something done to many keys, which may be at work."""

    is_danger = True

    def consequences(self, rows: Sequence[ApiKey], *, now: dt.datetime) -> Consequences:
        """Count the keys that were used within the hour."""
        late = [
            row
            for row in rows
            if row.last_use and row.last_use.last_used_at >= now - LATELY
        ]
        tenants = {row.tenant_id for row in rows}
        lines = (
            f"Keys used in the last hour: {len(late):,}.",
            f"Tenants that these keys belong to: {len(tenants):,}.",
        )
        return Consequences(lines=lines, is_in_use=bool(late))


class RevokeKeys(_KeysAction):
    """Revoke the chosen keys."""

    name = "revoke_keys"
    label = "Revoke"
    explanation = "These keys stop opening the door within a second, for good."
    done = "Revoked."

    def is_done(self, row: ApiKey) -> bool:
        """Leave those that are revoked."""
        return row.revoked_at is not None

    def do(self, row: ApiKey, *, now: dt.datetime) -> ApiKey:
        """Revoke one."""
        return services.revoke_key(api_key=row, now=now)


class DisableKeys(_KeysAction):
    """Refuse the chosen keys until they are enabled."""

    name = "disable_keys"
    label = "Disable"
    explanation = "These keys are refused until they are enabled again."
    done = "Disabled."

    def is_done(self, row: ApiKey) -> bool:
        """Leave those that open nothing already."""
        return row.disabled_at is not None or row.revoked_at is not None

    def do(self, row: ApiKey, *, now: dt.datetime) -> ApiKey:
        """Disable one."""
        return services.disable_key(api_key=row, now=now)
