"""Look at the windows that may have crossed a share, and tell of those that have.

Each window that has not ended has a watch, which says from which use on it is looked at
again: one comparison for each window finds the few that are due, however many requests
there are. Whoever changes a limit marks the watches of the tenant in the same
transaction; what nobody marks, as a limit that runs out, has its instant noted.

Failure: a scan that dies is made up for by the next one. Two at once pass by each
other's windows, and a crossing that stands is unique. Owns: watches and crossings.
"""

import datetime as dt

from django.db.models import QuerySet

from kit.errors import NotFound
from kit.orm.atomic import atomic, cursor
from metering.alerts import telling
from metering.alerts.in_force import Holder, LimitInForce, holder_of, limits_in_force
from metering.alerts.models import Crossing, EventType, Watch
from metering.alerts.shares import WHOLE, judge
from metering.budgets.models import Window

RUN_MAX = 2000
# A limit that was being set at the first look may not have been seen.
_SECOND_LOOK = dt.timedelta(minutes=2)
# Of what is spent: a correction gives back what no request does.
_SPENT_LOOK = dt.timedelta(minutes=1)
_USUAL_LOOK = dt.timedelta(hours=6)
# Of credit, which runs out by itself.
_CREDIT_LOOK = dt.timedelta(hours=1)
# Due by whatever clock.
_AT_ONCE = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_BEGIN = """
INSERT INTO alerts_watch (window_id, tenant_id, due_amount, look_at)
SELECT place.id, place.tenant_id, NULL, %(now)s
  FROM budgets_window place
 WHERE place.ends_at > %(now)s AND place.id > %(after)s
   AND NOT EXISTS (SELECT FROM alerts_watch watch WHERE watch.window_id = place.id)
    ON CONFLICT DO NOTHING
"""
_NEWEST = "SELECT coalesce(max(window_id), 0) FROM alerts_watch"
# Windows are opened at the same time, and committed in no order.
_OPENED_AT_ONCE_MAX = 5000
_DUE = """
SELECT watch.window_id
  FROM alerts_watch watch JOIN budgets_window place ON place.id = watch.window_id
 WHERE place.posted >= watch.due_amount
 UNION
SELECT watch.window_id FROM alerts_watch watch WHERE watch.look_at <= %(now)s
 LIMIT %(most)s
"""


def scan(*, now: dt.datetime) -> int:
    """Look at every window that is due, one transaction each; return how many were."""
    with cursor() as session:
        session.execute(_NEWEST)
        [newest] = session.fetchone()
        session.execute(_BEGIN, {"now": now, "after": newest - _OPENED_AT_ONCE_MAX})
        session.execute(_DUE, {"now": now, "most": RUN_MAX})
        due = sorted(window_id for (window_id,) in session.fetchall())
    return sum(_look(window_id, now) for window_id in due)


def watch_all(*, now: dt.datetime) -> None:
    """Watch every window that has not ended, those too that scans have passed over."""
    with cursor() as session:
        session.execute(_BEGIN, {"now": now, "after": 0})


def mark(*, tenant_id: int | None = None, plan_id: int | None = None) -> None:
    """Have the windows of a tenant, of all tenants on a plan, or all, looked at again.

    Called in the transaction that changes a limit, by whoever changes it.
    """
    watches = Watch.objects.all()
    if tenant_id is not None:
        watches = watches.filter(tenant_id=tenant_id)
    elif plan_id is not None:
        watches = watches.filter(tenant_id__in=_on_plan(plan_id))
    # In one order: two who change limits of a tenant wait for each other and no more.
    locked = watches.order_by("pk").select_for_update()
    with atomic():
        found = list(locked.values_list("pk", flat=True))
        Watch.objects.filter(pk__in=found).update(look_at=_AT_ONCE)


def _on_plan(plan_id: int) -> list[int]:
    """Return the tenants that a plan's limits may concern."""
    with cursor() as session:
        session.execute(
            "SELECT id FROM tenants_tenant WHERE plan_id = %(plan)s"
            " UNION SELECT id FROM tenants_tenant WHERE plan_id IS NULL AND EXISTS"
            " (SELECT FROM tenants_plan WHERE id = %(plan)s AND is_default)",
            {"plan": plan_id},
        )
        return [tenant_id for (tenant_id,) in session.fetchall()]


def _look(window_id: int, now: dt.datetime) -> bool:
    """Judge a window under its limits, write what follows, and say when it is due."""
    with atomic():
        watches = Watch.objects.select_for_update(skip_locked=True)
        watch = watches.filter(pk=window_id).first()
        if watch is None:
            return False
        window = Window.objects.filter(pk=window_id).first()
        if window is None:
            _clear_all(window_id, now)
            watch.delete()
            return True
        holder = _holder(window)
        if holder is None:
            Watch.objects.filter(pk=window_id).update(look_at=now + _USUAL_LOOK)
            return True
        limits = limits_in_force(window, holder, now=now)
        if window.ends_at <= now:
            _end(window, holder, limits, now)
            watch.delete()
            return True
        dues = [_judge(window, holder, limit, now) for limit in limits]
        watch.due_amount = min((due for due in dues if due is not None), default=None)
        watch.look_at = _next_look(watch, window, limits, now)
        watch.looked_at = now
        watch.save()
    return True


def _holder(window: Window) -> Holder | None:
    try:
        return holder_of(window)
    except NotFound:
        return None


def _judge(
    window: Window, holder: Holder, limit: LimitInForce, now: dt.datetime
) -> int | None:
    """Write what follows; return where the window is to be looked at again."""
    standing = {
        each.share: each.limit_amount
        for each in _standing(window.pk).filter(is_hard=limit.is_hard)
    }
    verdict = judge(
        used=_used(window, limit),
        limit=limit.amount,
        is_hard=limit.is_hard,
        warn_at=limit.warn_at,
        standing=standing,
    )
    cleared = _standing(window.pk).filter(
        is_hard=limit.is_hard, share__in=verdict.cleared
    )
    cleared.update(cleared_at=now)
    Crossing.objects.bulk_create(
        _crossing(window, limit, share, was_told=share == verdict.told, now=now)
        for share in verdict.crossed
    )
    if verdict.is_resumed:
        _tell(
            EventType.RESUMED,
            window,
            holder,
            limit,
            share=_share(window, limit),
            now=now,
        )
    if verdict.told is not None:
        is_spent = verdict.told == WHOLE and limit.is_hard
        told = EventType.SPENT if is_spent else EventType.THRESHOLD_REACHED
        _tell(told, window, holder, limit, share=verdict.told, now=now)
    due = verdict.due_amount
    return None if due is None else due + limit.used_before


def _tell(
    event_type: EventType,
    window: Window,
    holder: Holder,
    limit: LimitInForce,
    *,
    share: int,
    now: dt.datetime,
) -> None:
    data = telling.data_of(
        window,
        holder,
        is_hard=limit.is_hard,
        share=share,
        limit=limit.amount,
        used=_used(window, limit),
        limit_id=limit.limit_id,
    )
    telling.tell_of_budget(event_type, holder=holder, data=data, now=now)


def _share(window: Window, limit: LimitInForce) -> int:
    """Return how much of a limit is used, in whole percent; of none it is nothing."""
    return _used(window, limit) * WHOLE // limit.amount if limit.amount else 0


def _used(window: Window, limit: LimitInForce) -> int:
    used: int = window.posted - limit.used_before
    return used


def _crossing(
    window: Window, limit: LimitInForce, share: int, *, was_told: bool, now: dt.datetime
) -> Crossing:
    return Crossing(
        tenant_id=window.tenant_id,
        window_id=window.pk,
        level=window.level,
        holder_id=window.holder_id,
        kind=window.kind,
        is_hard=limit.is_hard,
        share=share,
        limit_amount=limit.amount or 0,
        used=_used(window, limit),
        was_told=was_told,
        crossed_at=now,
    )


def _end(
    window: Window,
    holder: Holder,
    limits: tuple[LimitInForce, LimitInForce],
    now: dt.datetime,
) -> None:
    """Clear what stands on a window that is over; what was spent goes on in the next.

    Unless there is nothing to go on with: a limit of nothing, or another one now.
    """
    hard = limits[0]
    was_spent = _standing(window.pk).filter(is_hard=True, share=WHOLE).exists()
    _clear_all(window.pk, now)
    if was_spent and hard.amount != 0:
        _tell(
            EventType.RESUMED, window, holder, hard, share=_share(window, hard), now=now
        )


def _next_look(
    watch: Watch,
    window: Window,
    limits: tuple[LimitInForce, LimitInForce],
    now: dt.datetime,
) -> dt.datetime:
    looks = [window.ends_at, now + _USUAL_LOOK]
    looks += [each.ends_at for each in limits if each.ends_at is not None]
    if window.kind == Window.Kind.CREDIT:
        looks.append(now + _CREDIT_LOOK)
    if watch.looked_at is None:
        looks.append(now + _SECOND_LOOK)
    if _standing(window.pk).filter(is_hard=True, share=WHOLE).exists():
        looks.append(now + _SPENT_LOOK)
    return min(looks)


def _clear_all(window_id: int, now: dt.datetime) -> None:
    _standing(window_id).update(cleared_at=now)


def _standing(window_id: int) -> QuerySet[Crossing]:
    return Crossing.objects.filter(window_id=window_id, cleared_at=None)
