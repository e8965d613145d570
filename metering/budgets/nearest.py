"""How all limits of a tenant stand: its own, and those of its projects and keys.

A tenant may have ten thousand keys, each with limits of its own. Those that are told
are the tenant's, those of the projects and keys that used most in windows that run now,
and those of the holders whose limits were set last: at most so many of each.

Failure: none of its own. Owns: nothing; all is read by the functions that grants go by.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q

from metering.budgets.models import Window
from metering.budgets.selectors import Place, place_of, read_places, standing
from tenants.limits.resolution import Effective, Kind, Row, Subject, resolve
from tenants.models import ApiKey, Budget, Project, Quota, RateLimit, Tenant
from tenants.selectors.limits import as_row
from tenants.selectors.plans import plan_of

HOLDERS_MAX = 50
_KINDS: tuple[type[RateLimit | Quota | Budget], ...] = (RateLimit, Quota, Budget)
_Holder = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Named:
    """A limit in effect and whose it is; `place` is None of rates, which none counts.

    `project_id` is the project that it is of, or that its key is of.
    """

    effective: Effective
    place: Place | None
    holder: str
    project_id: int | None


@dataclass(frozen=True, slots=True)
class AllLimits:
    """All limits that are told, the nearest to its end first; rates by themselves."""

    counted: tuple[Named, ...]
    rates: tuple[Named, ...]
    credit: Place | None
    is_cut: bool
    """Whether there are more projects or keys than are told."""


def all_limits(
    *,
    tenant: Tenant,
    now: dt.datetime,
    reach: frozenset[int] | None = None,
    among: tuple[str, int] | None = None,
) -> AllLimits:
    """Say how all limits of a tenant stand; `reach` are projects, None for all.

    `among` is a level and the id of a project or key that is told whatever it used, if
    it is within reach.
    """
    mine = standing(tenant=tenant, now=now)
    holders, is_cut = _holders(tenant, now, reach)
    if among is not None and among not in holders and _reaches(tenant, among, reach):
        holders.append(among)
    names, projects = _named(holders)
    below = [
        each
        for each in _below(tenant, holders, projects, now)
        if (each.row.level, each.holder_id) in names
    ]
    asked = [
        (place_of(tenant, each), each)
        for each in below
        if each.row.measure.kind is not Kind.RATE_LIMIT
    ]
    places = [*mine.places, *read_places(tenant, asked, now)]
    names["tenant", tenant.pk] = tenant.name
    counted = [
        _name(place.limited_by, place, names, projects)
        for place in places
        if place.limited_by is not None
    ]
    rates = [
        _name(each, None, names, projects)
        for each in (*mine.limits.chain, *below)
        if each.row.measure.kind is Kind.RATE_LIMIT
    ]
    counted.sort(key=lambda each: -each.place.share_used if each.place else 0)
    credit = next((each for each in places if each.limited_by is None), None)
    return AllLimits(tuple(counted), tuple(rates), credit, is_cut)


def _reaches(tenant: Tenant, whose: _Holder, reach: frozenset[int] | None) -> bool:
    """Tell whether a project or key is the tenant's and within reach."""
    level, holder_id = whose
    if level == "project":
        there = Project.objects.filter(tenant=tenant, pk=holder_id)
        return (reach is None or holder_id in reach) and there.exists()
    keys = ApiKey.objects.filter(tenant=tenant, pk=holder_id)
    if reach is not None:
        keys = keys.filter(project_id__in=reach)
    return level == "api_key" and keys.exists()


def _holders(
    tenant: Tenant, now: dt.datetime, reach: frozenset[int] | None
) -> tuple[list[_Holder], bool]:
    """Return the projects and keys that are told, and whether there are more."""
    used = Window.objects.filter(
        tenant_id=tenant.pk,
        level__in=("project", "api_key"),
        starts_at__lte=now,
        ends_at__gt=now,
    ).order_by("-posted")
    if reach is not None:
        keys = ApiKey.objects.filter(tenant=tenant, project_id__in=reach)
        used = used.filter(
            Q(level="project", holder_id__in=reach)
            | Q(level="api_key", holder_id__in=keys.values("pk"))
        )
    found = [
        (row.level, row.holder_id)
        for row in used.only("level", "holder_id")[: HOLDERS_MAX + 1]
    ]
    is_cut = len(found) > HOLDERS_MAX
    chosen = dict.fromkeys(found[:HOLDERS_MAX])
    for kind in _KINDS:
        rows = kind._default_manager.filter(tenant=tenant, ended_at=None).exclude(
            level="tenant"
        )
        if reach is not None:
            rows = rows.filter(
                Q(project_id__in=reach) | Q(api_key__project_id__in=reach)
            )
        latest = list(rows.order_by("-id")[: HOLDERS_MAX + 1])
        is_cut |= len(latest) > HOLDERS_MAX
        for row in latest[:HOLDERS_MAX]:
            chosen[row.level, row.project_id or row.api_key_id or 0] = None
    return list(chosen), is_cut


def _named(
    holders: Iterable[_Holder],
) -> tuple[dict[_Holder, str], dict[_Holder, int]]:
    """Return what holders are called, and the project that each is or is of."""
    ids = defaultdict(list)
    for level, holder_id in holders:
        ids[level].append(holder_id)
    names: dict[_Holder, str] = {}
    projects: dict[_Holder, int] = {}
    for project in Project.objects.filter(pk__in=ids["project"], archived_at=None):
        names["project", project.pk] = project.slug
        projects["project", project.pk] = project.pk
    for key in ApiKey.objects.filter(pk__in=ids["api_key"], revoked_at=None):
        names["api_key", key.pk] = f"{key.name} ({key.shown})"
        projects["api_key", key.pk] = key.project_id
    return names, projects


def _below(
    tenant: Tenant,
    holders: Iterable[_Holder],
    projects: dict[_Holder, int],
    now: dt.datetime,
) -> list[Effective]:
    """Resolve what holds for projects and keys themselves."""
    holders = [each for each in holders if each in projects]
    plan = plan_of(tenant)
    own: defaultdict[_Holder, list[Row]] = defaultdict(list)
    plans: defaultdict[str, list[Row]] = defaultdict(list)
    keys = [holder_id for level, holder_id in holders if level == "api_key"]
    of_projects = [holder_id for level, holder_id in holders if level == "project"]
    concerned = Q(tenant=tenant) & (Q(project__in=of_projects) | Q(api_key__in=keys))
    if plan is not None:
        concerned |= Q(plan=plan) & ~Q(level="tenant")
    for kind in _KINDS:
        for limit in kind._default_manager.filter(concerned, ended_at=None):
            row = as_row(limit)
            if row.plan_id is not None:
                plans[row.level].append(row)
            elif row.holder_id is not None:
                own[row.level, row.holder_id].append(row)
    found: list[Effective] = []
    for level, holder_id in holders:
        subject = Subject(
            tenant_id=tenant.pk,
            currency=tenant.currency,
            plan_id=None if plan is None else plan.pk,
            project_id=projects[level, holder_id],
            api_key_id=holder_id if level == "api_key" else None,
        )
        rows = [*own[level, holder_id], *plans[level]]
        found += resolve(rows, subject, now=now)
    return found


def _name(
    each: Effective,
    place: Place | None,
    names: dict[_Holder, str],
    projects: dict[_Holder, int],
) -> Named:
    whose = (each.row.level, each.holder_id)
    return Named(each, place, names[whose], projects.get(whose))
