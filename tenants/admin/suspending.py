"""Suspend and restore: one tenant or many, with what follows counted first."""

import datetime as dt
from collections.abc import Collection, Sequence

from kit.admin import BulkAction, Consequences
from tenants import services
from tenants.admin import figures
from tenants.models import ApiKey, KeyUse, Tenant

LATELY = dt.timedelta(hours=1)


def consequences(tenant_ids: Collection[int], *, now: dt.datetime) -> Consequences:
    """Count what suspending tenants stops, and say whether they are at it now."""
    keys = ApiKey.objects.opening(now).filter(tenant_id__in=tenant_ids).count()
    lines = [f"Active API keys refused from now on: {keys:,}."]
    used = KeyUse.objects.filter(
        tenant_id__in=tenant_ids, last_used_at__gte=now - LATELY
    ).exists()
    known = figures.source()
    if known is not None:
        requests = known.requests_since(tenant_ids=tenant_ids, since=now - LATELY)
        unpaid = known.unpaid_invoices(tenant_ids=tenant_ids)
        used = used or requests > 0
        lines.append(f"Requests in the last hour: {requests:,}.")
        lines.append(f"Invoices that are drafts or open, and stay so: {unpaid:,}.")
    return Consequences(lines=tuple(lines), is_in_use=used)


class SuspendTenants(BulkAction):
    """Refuse every call of the chosen tenants."""

    name = "suspend_tenants"
    label = "Suspend"
    explanation = "Every call of these tenants is refused until they are restored."
    done = "Suspended."
    permission = "suspend"
    is_danger = True

    def consequences(self, rows: Sequence[Tenant], *, now: dt.datetime) -> Consequences:
        """Count keys, requests and invoices."""
        return consequences([row.pk for row in rows], now=now)

    def is_done(self, row: Tenant) -> bool:
        """Leave those that are suspended already."""
        return row.state == Tenant.State.SUSPENDED

    def do(self, row: Tenant, *, now: dt.datetime) -> Tenant:
        """Suspend one."""
        return services.suspend_tenant(tenant=row)


class RestoreTenants(BulkAction):
    """Let the chosen tenants call again."""

    name = "restore_tenants"
    label = "Restore"
    explanation = "These tenants may call again at once."
    done = "Restored."
    permission = "suspend"

    def consequences(self, rows: Sequence[Tenant], *, now: dt.datetime) -> Consequences:
        """Count the keys that open the door again."""
        keys = ApiKey.objects.active(now).filter(
            tenant__in=rows, project__archived_at=None
        )
        return Consequences(lines=(f"API keys that work again: {keys.count():,}.",))

    def is_done(self, row: Tenant) -> bool:
        """Leave those that are active."""
        return row.state == Tenant.State.ACTIVE

    def do(self, row: Tenant, *, now: dt.datetime) -> Tenant:
        """Restore one."""
        return services.restore_tenant(tenant=row)
