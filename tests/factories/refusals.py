"""Refusals as gateways count them."""

import datetime as dt

from inference.control.models import Refusal
from kit.orm.roles import as_operator
from tenants.models import ApiKey


def make_refusal(
    key: ApiKey,
    hour: dt.datetime,
    *,
    source: str = "gateway-1#0",
    model: str = "m",
    status: int = 429,
    code: str = "rate_limit_exceeded",
    limit: str = "api_key:requests:minute",
    requests: int = 1,
) -> Refusal:
    """Write that a run refused so many requests of a key within an hour."""
    with as_operator():
        return Refusal.objects.create(
            tenant_id=key.tenant_id,
            hour=hour,
            source=source,
            project_id=key.project_id,
            api_key_id=key.pk,
            model=model,
            status=status,
            code=code,
            refused_by=limit if status == 429 else "",
            requests=requests,
            last_at=hour + dt.timedelta(minutes=7),
        )
