"""Which tenants call most just now: by what runs, and by what the last hours hold."""

import datetime as dt

from django.db.models import F, Sum

from inference.control.live import Now
from metering.usage.models import HourRollup
from pages.operations.serving_tables import TenantNow
from tenants.models import Tenant

TENANTS_MAX = 10
_HOURS = dt.timedelta(hours=1)


def busiest(serving: Now, *, now: dt.datetime) -> list[TenantNow]:
    """Return the tenants with most running requests, then those with most tokens."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    lately = (
        HourRollup.objects.filter(hour__gte=hour - _HOURS)
        .values("tenant_id")
        .annotate(
            asked=Sum("requests"),
            used=Sum(F("input_tokens") + F("cached_input_tokens") + F("output_tokens")),
        )
        .order_by("-used")
    )
    running = dict(serving.tenants[:TENANTS_MAX])
    top = {each["tenant_id"]: each for each in lately[:TENANTS_MAX]}
    more = {
        each["tenant_id"]: each
        for each in lately.filter(tenant_id__in=running.keys() - top.keys())
    }
    used = {**top, **more}
    slugs = dict(
        Tenant.objects.filter(pk__in={*running, *used}).values_list("pk", "slug")
    )
    found = [
        TenantNow(
            id=tenant_id,
            slug=slug,
            running=running.get(tenant_id, 0),
            requests=used[tenant_id]["asked"] if tenant_id in used else 0,
            tokens=used[tenant_id]["used"] if tenant_id in used else 0,
        )
        for tenant_id, slug in slugs.items()
    ]
    found.sort(key=lambda each: (-each.running, -each.tokens, each.slug))
    return found[:TENANTS_MAX]
