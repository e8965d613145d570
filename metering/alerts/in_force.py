"""Which limits are in force on a window, and at which shares they warn.

They are resolved as the pages and the API resolve them (`tenants.limits`), from the
rows that grants go by as well. Of credit the database alone knows how much there is,
and it warns at no share. Failure: a holder that is not there any more has no limits.
"""

import datetime as dt
from dataclasses import dataclass

from kit.errors import NotFound
from kit.orm.atomic import cursor
from metering.budgets.models import Window
from tenants import selectors
from tenants.limits.resolution import Effective, Kind, Measure
from tenants.models import ApiKey, Project, Tenant

_CREDIT = "SELECT budgets_limit(w, %s, true) FROM budgets_window w WHERE w.id = %s"


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
    """A limit of a window: None where there is none of its hardness."""

    is_hard: bool
    amount: int | None = None
    warn_at: tuple[int, ...] = ()
    ends_at: dt.datetime | None = None


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
        return LimitInForce(is_hard=True, amount=_credit(window, now)), _none()
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
    return LimitInForce(is_hard, row.value, row.warn_at, row.ends_at)


def _none() -> LimitInForce:
    return LimitInForce(is_hard=False)


def _credit(window: Window, now: dt.datetime) -> int | None:
    with cursor() as session:
        session.execute(_CREDIT, [now, window.pk])
        found = session.fetchone()
    return None if found is None or found[0] is None else int(found[0])
