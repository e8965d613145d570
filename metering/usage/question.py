"""Settle what a question about usage means: whose it is, and between which instants.

Failure: a question about nobody, about an empty range, or one that would have to be
counted from more than 31 days of single events raises `InvalidRequest`, which names the
parameter and what to ask instead.
"""

import datetime as dt
from dataclasses import dataclass

from django.db.models import QuerySet

from kit.errors import InvalidRequest
from kit.orm.atomic import cursor
from metering.usage.models import BillingDay
from metering.usage.report import RAW_DAYS_MAX, Dimension, Source, UsageQuery
from metering.usage.zones import day_start
from tenants.models import ApiKey, Member, Project, Tenant

_RAW_SPAN_MAX = dt.timedelta(days=RAW_DAYS_MAX)
_TOTALS = frozenset({Source.HOUR_TOTALS, Source.UTC_DAYS})

# Whether a question touches billing days that are not days of UTC, or that begin or end
# inside an hour of UTC.
_ODD_DAYS = """
    SELECT coalesce(bool_or((starts_at AT TIME ZONE 'UTC')::time <> '00:00'
            OR ends_at <> starts_at + interval '24 hours'), false),
        coalesce(bool_or(
            starts_at <> date_bin('1 hour', starts_at, 'epoch'::timestamptz)
            OR ends_at <> date_bin('1 hour', ends_at, 'epoch'::timestamptz)), false)
    FROM usage_billingday
    WHERE starts_at < %(end)s AND ends_at > %(start)s
        AND (%(tenant)s::bigint IS NULL OR tenant_id = %(tenant)s)
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """The tenant that a question is about, None for several, and its instants."""

    tenant: Tenant | None
    start: dt.datetime
    end: dt.datetime


def scope_of(query: UsageQuery, *, source: Source | None) -> Scope:
    """Return what a question means; raises `InvalidRequest` where it is refused.

    `source` is what it is answered from. What is not counted, as a page of a list, has
    none and may reach over any length.
    """
    tenant = _tenant_of(query)
    scope = Scope(tenant, _instant(query.start, tenant), _instant(query.end, tenant))
    if scope.end <= scope.start:
        raise InvalidRequest(
            "'end' must lie after 'start': the range is half-open.", param="end"
        )
    if source is not None and _is_long(query, scope):
        _require_rollups(query, scope, source)
    return scope


def _tenant_of(query: UsageQuery) -> Tenant | None:
    """Return the one tenant that a question is about, or None for several."""
    owners: set[int] = set()
    if query.tenant_id is not None:
        owners.add(query.tenant_id)
    seen: dict[str, QuerySet[Project] | QuerySet[ApiKey] | QuerySet[Member]] = {
        "project": Project.objects.all(),
        "key": ApiKey.objects.all(),
        "member": Member.objects.all(),
    }
    if query.reach is not None:
        seen["project"] = Project.objects.filter(pk__in=query.reach)
        seen["key"] = ApiKey.objects.filter(project_id__in=query.reach)
    for param, pk in (
        ("project", query.project_id),
        ("key", query.api_key_id),
        ("member", query.member_id),
    ):
        if pk is not None:
            row = seen[param].filter(pk=pk).only("tenant_id").first()
            if row is None:
                raise InvalidRequest(f"There is no {param} {pk}.", param=param)
            owners.add(row.tenant_id)
    if not owners:
        return None
    if len(owners) > 1:
        raise InvalidRequest(
            "'tenant', 'project', 'key' and 'member' are not of one tenant.",
            param="tenant",
        )
    tenant = Tenant.objects.filter(pk=owners.pop()).first()
    if tenant is None:
        raise InvalidRequest(f"There is no tenant {query.tenant_id}.", param="tenant")
    return tenant


def _instant(bound: dt.datetime | dt.date, tenant: Tenant | None) -> dt.datetime:
    if isinstance(bound, dt.datetime):
        return bound.astimezone(dt.UTC)
    if tenant is None:
        return dt.datetime.combine(bound, dt.time(), tzinfo=dt.UTC)
    # The day itself, or the next one where the zone skipped the date.
    day = (
        BillingDay.objects.filter(tenant_id=tenant.pk, date__gte=bound)
        .order_by("date")
        .first()
    )
    if day is None or (day.date != bound and _is_first(day)):
        return day_start(bound, tenant.zone)
    return day.starts_at


def _is_first(day: BillingDay) -> bool:
    return not BillingDay.objects.filter(
        tenant_id=day.tenant_id, date__lt=day.date
    ).exists()


def _is_long(query: UsageQuery, scope: Scope) -> bool:
    """Tell whether a range is longer than may be counted from single events.

    Of bare dates the days are counted: one with a change of clocks has 25 hours.
    """
    start, end = query.start, query.end
    if not isinstance(start, dt.datetime) and not isinstance(end, dt.datetime):
        return end - start > _RAW_SPAN_MAX
    return scope.end - scope.start > _RAW_SPAN_MAX


def _require_rollups(query: UsageQuery, scope: Scope, source: Source) -> None:
    """Refuse a long range for which more than rollups and loose ends would be read."""
    if source in _TOTALS:
        return
    if source is Source.EVENTS:
        _refuse_events(query)
    elif source is Source.HOURS and query.names_keys:
        # Hours with keys are kept for a while; those before are counted from events.
        _refuse_events(query)
    elif Dimension.HOUR in query.group_by:
        _require_whole_hours(query, scope)
    else:
        _require_whole_days(query, scope, source)


def _refuse_events(query: UsageQuery) -> None:
    if Dimension.MINUTE in query.group_by:
        counted, way_out = "'minute' is", "divide by 'hour' or 'day' instead"
    else:
        counted = "'hour' together with 'project', 'key' or 'member' is"
        way_out = "divide by 'day' instead, or ask without these"
    raise InvalidRequest(
        f"{counted} counted from single events: such a range may be at most "
        f"{RAW_DAYS_MAX} days long. Ask for a shorter one, or {way_out}.",
        param="group_by",
    )


def _require_whole_hours(query: UsageQuery, scope: Scope) -> None:
    if scope.tenant is None or Dimension.DAY not in query.group_by:
        return
    _, cut_hours = _odd_days(scope)
    if cut_hours:
        raise InvalidRequest(
            "This tenant's billing days begin inside an hour of UTC, whose parts are "
            f"counted from single events: ask for at most {RAW_DAYS_MAX} days, or "
            "without 'day'.",
            param="group_by",
        )


def _require_whole_days(query: UsageQuery, scope: Scope, source: Source) -> None:
    for param, bound in (("start", scope.start), ("end", scope.end)):
        if _is_inside_a_day(bound, scope.tenant):
            raise InvalidRequest(
                f"'{param}' lies inside a day, which is counted from single events: "
                f"such a range may be at most {RAW_DAYS_MAX} days long. Use bare dates "
                "for more.",
                param=param,
            )
    if source is Source.DAYS and query.is_about_several:
        _require_days_of_utc(query, scope)


def _require_days_of_utc(query: UsageQuery, scope: Scope) -> None:
    if Dimension.DAY not in query.group_by:
        return
    other_zones, _ = _odd_days(scope)
    if other_zones:
        raise InvalidRequest(
            "Over several tenants days are those of UTC, and some tenants keep other "
            "ones, whose projects, keys and members are counted from single events: "
            f"ask for at most {RAW_DAYS_MAX} days, for one tenant, or without these.",
            param="group_by",
        )


def _is_inside_a_day(bound: dt.datetime, tenant: Tenant | None) -> bool:
    if tenant is None:
        return bound.time() != dt.time()
    return BillingDay.objects.filter(
        tenant_id=tenant.pk, starts_at__lt=bound, ends_at__gt=bound
    ).exists()


def _odd_days(scope: Scope) -> tuple[bool, bool]:
    with cursor() as session:
        session.execute(
            _ODD_DAYS,
            {
                "start": scope.start,
                "end": scope.end,
                "tenant": scope.tenant.pk if scope.tenant else None,
            },
        )
        other_zones, cut_hours = session.fetchone()
    return other_zones, cut_hours
