"""Reads of limits: the rows as they were set, and what they come to for a caller."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TypedDict, TypeVar, Unpack

from django.db.models import Q, QuerySet

from kit.acting import current
from kit.errors import NotFound
from tenants.limits.resolution import (
    Effective,
    Kind,
    Measure,
    Row,
    Subject,
    binding,
    resolve,
)
from tenants.models import (
    ApiKey,
    Budget,
    Level,
    Limit,
    Plan,
    Project,
    Quota,
    RateLimit,
    SetBy,
    Tenant,
)
from tenants.selectors.plans import plan_of

AnyLimit = TypeVar("AnyLimit", bound=Limit)


class LimitFilters(TypedDict, total=False):
    """What limits may be narrowed by; `model` is empty for those of all models."""

    tenant_id: int
    project_id: int
    api_key_id: int
    plan_id: int
    level: str
    set_by: str
    model: str


@dataclass(frozen=True, slots=True)
class EffectiveLimits:
    """What holds for a tenant, or for one of its projects or keys, at an instant.

    `binding` are those of the chain that are the tightest of what they count.
    """

    subject: Subject
    plan: Plan | None
    at: dt.datetime
    chain: tuple[Effective, ...]
    binding: tuple[Effective, ...]


def limits(
    kind: type[AnyLimit],
    *,
    now: dt.datetime,
    active: bool | None = None,
    **wanted: Unpack[LimitFilters],
) -> QuerySet[AnyLimit]:
    """List the limits of one kind that the actor may see; active ones hold now."""
    rows = _within_reach(kind._default_manager.filter(**wanted))
    if active is None:
        return rows
    in_force = Q(ended_at=None) & (Q(ends_at=None) | Q(ends_at__gt=now))
    return rows.filter(in_force) if active else rows.exclude(in_force)


def limit(kind: type[AnyLimit], limit_id: int) -> AnyLimit:
    """Return one limit of a kind; raises `NotFound`."""
    row = _within_reach(kind._default_manager.filter(pk=limit_id)).first()
    if row is None:
        raise NotFound(f"There is no {kind._meta.verbose_name} {limit_id}.")
    return row


def effective_limits(
    *,
    tenant: Tenant,
    now: dt.datetime,
    project: Project | None = None,
    api_key: ApiKey | None = None,
    model: str | None = None,
) -> EffectiveLimits:
    """Resolve what holds for a tenant, one of its projects, or one of its keys.

    Without a `model` it is every model's limits, and what binds is said of any model.
    """
    plan = plan_of(tenant)
    project_id = None if project is None else project.pk
    subject = Subject(
        tenant_id=tenant.pk,
        currency=tenant.currency,
        plan_id=None if plan is None else plan.pk,
        project_id=project_id if api_key is None else api_key.project_id,
        api_key_id=None if api_key is None else api_key.pk,
        model=model,
    )
    chain = resolve(_rows(subject), subject, now=now)
    return EffectiveLimits(subject, plan, now, chain, binding(chain, model=model))


def limits_of_each(
    *, tenant: Tenant, level: Level, holder_ids: Collection[int], now: dt.datetime
) -> tuple[Effective, ...]:
    """Resolve what holds for each of some projects or keys by itself.

    What it shares with others is left out. Three statements, however many there are.
    """
    plan = plan_of(tenant)
    plan_id = None if plan is None else plan.pk
    at = {"tenant": tenant.pk, f"{level.value}__in": holder_ids}
    concerned = Q(level=level, **at)
    if plan_id is not None:
        concerned |= Q(level=level, plan=plan_id)
    rows: defaultdict[int | None, list[Row]] = defaultdict(list)
    for row in _each(concerned):
        rows[row.holder_id].append(row)
    found: list[Effective] = []
    for holder_id in holder_ids:
        subject = Subject(
            tenant_id=tenant.pk,
            currency=tenant.currency,
            plan_id=plan_id,
            project_id=holder_id if level is Level.PROJECT else None,
            api_key_id=holder_id if level is Level.API_KEY else None,
        )
        found += resolve([*rows[holder_id], *rows[None]], subject, now=now)
    return tuple(found)


def as_row(limit: RateLimit | Quota | Budget) -> Row:
    """Return a limit as resolution takes it."""
    holders = {
        Level.TENANT.value: limit.tenant_id,
        Level.PROJECT.value: limit.project_id,
        Level.API_KEY.value: limit.api_key_id,
    }
    return Row(
        id=limit.pk,
        measure=measure_of(limit),
        level=limit.level,
        value=limit.amount_picos if isinstance(limit, Budget) else limit.value,
        holder_id=holders[limit.level],
        plan_id=limit.plan_id,
        is_tenants=limit.set_by == SetBy.TENANT,
        model=limit.model,
        is_hard=limit.is_hard,
        warn_at=tuple(limit.warn_at),
        ends_at=limit.ends_at,
        ended_at=limit.ended_at,
    )


def measure_of(limit: RateLimit | Quota | Budget) -> Measure:
    """Return what a limit counts."""
    if isinstance(limit, Budget):
        return Measure(Kind.BUDGET, "", limit.window, limit.currency)
    kind = Kind.QUOTA if isinstance(limit, Quota) else Kind.RATE_LIMIT
    return Measure(kind, limit.unit, limit.window)


def _rows(subject: Subject) -> Iterator[Row]:
    """Read what may concern a subject: one query for each kind."""
    at = {"tenant": subject.tenant_id}
    concerned = (
        Q(level=Level.TENANT, **at)
        | Q(level=Level.PROJECT, project=subject.project_id, **at)
        | Q(level=Level.API_KEY, api_key=subject.api_key_id, **at)
    )
    if subject.plan_id is not None:
        concerned |= Q(plan=subject.plan_id)
    yield from _each(concerned)


def _each(concerned: Q) -> Iterator[Row]:
    kinds: tuple[type[RateLimit | Quota | Budget], ...] = (RateLimit, Quota, Budget)
    for kind in kinds:
        for row in kind._default_manager.filter(concerned, ended_at=None):
            yield as_row(row)


def _within_reach(rows: QuerySet[AnyLimit]) -> QuerySet[AnyLimit]:
    """Leave out projects that the actor is not in; what is above them concerns it."""
    projects = current().project_ids
    if projects is None:
        return rows
    own = Q(project__in=projects) | Q(api_key__project__in=projects)
    return rows.filter(Q(project=None, api_key=None) | own)
