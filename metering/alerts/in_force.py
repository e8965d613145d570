"""Which limits are in force on a window, and at which shares they warn.

They are resolved as the pages and the API resolve them (`tenants.limits`), from the
rows that grants go by as well. Of credit the database alone knows how much there is,
and it warns at no share; it is asked without settling any, for that takes the window's
lock. Failure: a holder that is not there any more has no limits.
"""

import datetime as dt
from dataclasses import dataclass

from kit.errors import NotFound
from kit.orm.atomic import cursor
from metering.budgets.models import Window
from tenants import selectors
from tenants.limits.resolution import Effective, Kind, Measure
from tenants.models import ApiKey, Project, Tenant

_CREDIT = """
SELECT credit_allowance(%(tenant)s, %(at)s, %(posted)s),
    credit_in_use(%(tenant)s, %(at)s, %(posted)s)
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose window it is: the tenant, and the one it counts for."""

    tenant: Tenant
    id: int
    name: str
    api_key: ApiKey | None = None
    project: Project | None = None


@dataclass(frozen=True, slots=True)
class LimitInForce:
    """A limit of a window: None where there is none of its hardness.

    What is used of it is what was posted less `used_before`: of credit, what was used
    of grants that are used up. Credit is no row: it has no `limit_id`.
    """

    is_hard: bool
    amount: int | None = None
    used_before: int = 0
    warn_at: tuple[int, ...] = ()
    ends_at: dt.datetime | None = None
    limit_id: int | None = None


def holder_of(window: Window) -> Holder:
    """Return whose window it is; raises `NotFound`."""
    tenant = selectors.tenant(window.tenant_id)
    if window.level == "project":
        project = Project.objects.filter(
            pk=window.holder_id, tenant_id=window.tenant_id
        ).first()
        if project is None:
            raise NotFound(f"There is no project {window.holder_id}.")
        return Holder(tenant, project.pk, project.name, project=project)
    if window.level == "api_key":
        key = (
            ApiKey.objects.select_related("member", "project")
            .filter(pk=window.holder_id, tenant_id=window.tenant_id)
            .first()
        )
        if key is None:
            raise NotFound(f"There is no key {window.holder_id}.")
        return Holder(tenant, key.pk, key.name, api_key=key)
    return Holder(tenant, tenant.pk, tenant.name)


def limits_in_force(
    window: Window, holder: Holder, *, now: dt.datetime
) -> tuple[LimitInForce, LimitInForce]:
    """Return the hard and the soft limit on a window."""
    if window.kind == Window.Kind.CREDIT:
        return _credit(window, now), _none()
    measure = Measure(
        Kind(window.kind),
        window.unit,
        window.window,
        holder.tenant.currency if window.kind == Window.Kind.BUDGET else "",
    )
    chain = selectors.effective_limits(
        tenant=holder.tenant, project=holder.project, api_key=holder.api_key, now=now
    ).chain
    found = {
        each.row.is_hard: each
        for each in chain
        if (each.row.level, each.row.measure, each.row.model)
        == (window.level, measure, window.model)
    }
    return _limit(found.get(True), is_hard=True), _limit(
        found.get(False), is_hard=False
    )


def _limit(effective: Effective | None, *, is_hard: bool) -> LimitInForce:
    if effective is None:
        return LimitInForce(is_hard=is_hard)
    row = effective.row
    return LimitInForce(
        is_hard, row.value, warn_at=row.warn_at, ends_at=row.ends_at, limit_id=row.id
    )


def _none() -> LimitInForce:
    return LimitInForce(is_hard=False)


def _credit(window: Window, now: dt.datetime) -> LimitInForce:
    """Return the credit in use; where all of it has ended, all that ever was."""
    asked = {"tenant": window.tenant_id, "at": now, "posted": window.posted}
    with cursor() as session:
        session.execute(_CREDIT, asked)
        allowance, in_use = session.fetchone()
    if allowance is None:
        return LimitInForce(is_hard=True)
    before = int(allowance) - int(in_use) if in_use else 0
    return LimitInForce(
        is_hard=True, amount=int(allowance) - before, used_before=before
    )
