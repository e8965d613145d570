"""Windows of budgets, and webhook endpoints, for tests on a committed database."""

import datetime as dt
import itertools
from typing import Any

from django.db import connections

from kit.orm.roles import OWNER, as_operator
from metering.alerts import services
from metering.alerts.services import IssuedEndpoint
from metering.budgets.models import Window
from tenants.models import Tenant
from tests.factories.tenants import make_tenant

_numbers = itertools.count(1)
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
DAY = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
_INSERT = """
INSERT INTO budgets_window (tenant_id, level, holder_id, kind, unit, "window", model,
                            starts_at, ends_at, posted)
VALUES (%(tenant_id)s, %(level)s, %(holder_id)s, %(kind)s, %(unit)s, %(window)s,
        %(model)s, %(starts_at)s, %(ends_at)s, %(posted)s)
RETURNING id
"""


def make_window(*, tenant: Tenant, posted: int = 0, **given: Any) -> Window:
    """Open a window as the owner does: of tokens a day, for the tenant."""
    values = {
        "tenant_id": tenant.pk,
        "level": "tenant",
        "holder_id": tenant.pk,
        "kind": "quota",
        "unit": "tokens",
        "window": "day",
        "model": "",
        "starts_at": DAY,
        "ends_at": DAY + dt.timedelta(days=1),
        "posted": posted,
        **given,
    }
    with connections[OWNER].cursor() as session:
        session.execute(_INSERT, values)
        [window_id] = session.fetchone()
    with as_operator():
        return Window.objects.get(pk=window_id)


def post(window: Window, posted: int) -> None:
    """Have so much of a window be used, as usage events do."""
    with connections[OWNER].cursor() as session:
        session.execute(
            "UPDATE budgets_window SET posted = %s WHERE id = %s", [posted, window.pk]
        )


def make_endpoint(
    *, tenant: Tenant | None = None, url: str | None = None, **given: Any
) -> IssuedEndpoint:
    """Make an endpoint of a new tenant, unless one is given."""
    number = next(_numbers)
    given.setdefault("name", f"Endpoint {number}")
    with as_operator():
        return services.create_endpoint(
            tenant=tenant or make_tenant(),
            url=url or f"https://hooks-{number}.example.com/in",
            **given,
        )


def make_installations_endpoint(*, url: str, **given: Any) -> IssuedEndpoint:
    """Make an endpoint that is called with all tenants' events."""
    with as_operator():
        return services.create_endpoint(tenant=None, name="ours", url=url, **given)
