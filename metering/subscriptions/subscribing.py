"""Writes of subscriptions: subscribe, change, end, go over from version to version.

Whoever writes of a tenant holds its row, so two at once wait for each other. Nothing is
agreed of days before the running period: what was closed is charged. An end is agreed
once, or moved earlier; a fee in advance depends on that (`cutting`).

Failure: a refused change raises `Conflict`, `InvalidRequest` or `NotFound` and writes
nothing; the constraints behind have the last word.
"""

import datetime as dt
from dataclasses import dataclass

from kit.errors import Conflict, InvalidRequest, PlatformError
from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from metering.subscriptions.models import PlanVersion, Subscription
from metering.usage.models import BillingDay
from metering.usage.periods import running_period
from metering.usage.spans import Span
from tenants.models import Tenant

# A mistyped year would hold a tenant's place until then.
AHEAD_MAX = dt.timedelta(days=366)
# One request moves no more, so that it is answered in time.
MIGRATED_MAX = 200


@dataclass(frozen=True, slots=True)
class Migrated:
    """What one run moved, and of those it could not move why, by the tenant's slug."""

    moved: int
    refused: dict[str, str]
    left: int


def subscribe(
    *,
    tenant: Tenant,
    version: PlanVersion,
    now: dt.datetime,
    starts_on: dt.date | None = None,
    ends_on: dt.date | None = None,
) -> Subscription:
    """Subscribe a tenant to a published version, from today unless a date is given.

    `ends_on` is the first day without it. Subscribing to the same from the same day
    again returns what there is. Raises `Conflict` for a prepaid tenant, for a draft and
    where the tenant holds another plan in these days; `InvalidRequest` for a currency
    that is not the tenant's and for dates out of reach.
    """
    with atomic():
        locked = _locked(tenant)
        running = running_period(tenant_id=locked.pk, at=now)
        starts_on = starts_on or _today(locked, now)
        same = Subscription.objects.filter(
            tenant=locked, version=version, starts_on=starts_on, ends_on=ends_on
        ).first()
        if same is not None and same.ends_on != same.starts_on:
            return same
        _require_sold(locked, version)
        _require_reach(locked, running, starts_on, "starts_on", now)
        if ends_on is not None and ends_on <= starts_on:
            raise InvalidRequest("It must end after it starts.", param="ends_on")
        _require_free(locked, starts_on, ends_on)
        row = Subscription(
            tenant=locked,
            version=version,
            starts_on=starts_on,
            ends_on=ends_on,
            agreed_at=now,
            end_agreed_at=None if ends_on is None else now,
        )
        create(row, action="subscribe")
        return row


def end_subscription(
    *,
    subscription: Subscription,
    now: dt.datetime,
    ends_on: dt.date | None = None,
) -> Subscription:
    """End a subscription on a date, the first without it; else with the period.

    The last invoice is that of the period in which it ends. What has not begun by then
    never does. Ending it again on the same date changes nothing; an end can be moved
    earlier, not later (`Conflict`).
    """
    with atomic():
        locked = _locked(subscription.tenant)
        running = running_period(tenant_id=locked.pk, at=now)
        row = Subscription.objects.select_for_update().get(pk=subscription.pk)
        wanted = max(ends_on or running.end_date, row.starts_on)
        if ends_on is not None:
            _require_reach(locked, running, ends_on, "ends_on", now)
        if row.ends_on is not None and row.ends_on <= wanted:
            if row.ends_on == wanted:
                return row
            raise Conflict(
                f"It ends on {row.ends_on} already, and an end can only be moved "
                "earlier: subscribe the tenant again from then on.",
                param="ends_on",
            )
        change(row, {"ends_on": wanted, "end_agreed_at": now}, action="end")
        return row


def change_subscription(
    *,
    subscription: Subscription,
    version: PlanVersion,
    now: dt.datetime,
    starts_on: dt.date | None = None,
) -> Subscription:
    """Let a tenant go over to another version on a date, else with the next period.

    The old subscription ends on that day and a new one begins; what each is due for the
    period is its share of it. Raises as `subscribe` and `end_subscription` do.
    """
    with atomic():
        locked = _locked(subscription.tenant)
        held = Subscription.objects.get(pk=subscription.pk)
        running = running_period(tenant_id=locked.pk, at=now)
        date = starts_on or max(running.end_date, held.starts_on)
        if held.version_id == version.pk:
            raise Conflict(f"It is a subscription to {version} already.")
        if date < held.starts_on or (held.ends_on is not None and held.ends_on < date):
            raise Conflict(
                f"The subscription does not hold on {date}: subscribe the tenant.",
                param="starts_on",
            )
        if held.ends_on != date:
            end_subscription(subscription=held, ends_on=date, now=now)
        return subscribe(tenant=locked, version=version, starts_on=date, now=now)


def migrate_subscriptions(
    *, source: PlanVersion, target: PlanVersion, now: dt.datetime
) -> Migrated:
    """Let those who hold a version go over to another with their next period.

    At most `MIGRATED_MAX` at once; run again, it takes the next ones. Whoever has
    agreed an end is left alone. Raises `Conflict` for a draft, and `InvalidRequest`
    where the two are not in the same currency.
    """
    if target.published_at is None:
        raise Conflict(f"{target} is a draft: publish it first.", param="target")
    if source.currency != target.currency or source.pk == target.pk:
        raise InvalidRequest(
            f"Choose another version in {source.currency}.", param="target"
        )
    open_ended = (
        Subscription.objects.filter(version=source, ends_on__isnull=True)
        .select_related("tenant")
        .order_by("pk")
    )
    moved, refused = 0, {}
    for each in open_ended[:MIGRATED_MAX]:
        try:
            change_subscription(subscription=each, version=target, now=now)
            moved += 1
        except PlatformError as error:
            refused[each.tenant.slug] = error.message
    return Migrated(moved, refused, open_ended.count() - len(refused))


def require_no_plan(*, tenant: Tenant, now: dt.datetime) -> None:
    """Refuse to let a tenant that holds a plan pay before use; raises `Conflict`."""
    held = Subscription.objects.filter(tenant_id=tenant.pk).exclude(
        ends_on__lte=_today(tenant, now)
    )
    if held.exists():
        raise Conflict(
            f"Tenant '{tenant.slug}' holds a plan, which is charged after use: end its "
            "subscription first.",
            param="payment_mode",
        )


def _locked(tenant: Tenant) -> Tenant:
    return Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)


def _today(tenant: Tenant, now: dt.datetime) -> dt.date:
    """Return the billing day of an instant; before the calendar begins, its date."""
    day = BillingDay.objects.filter(
        tenant_id=tenant.pk, starts_at__lte=now, ends_at__gt=now
    ).first()
    return now.date() if day is None else day.date


def _require_sold(tenant: Tenant, version: PlanVersion) -> None:
    """Refuse a version that the tenant cannot be charged by."""
    if tenant.payment_mode == Tenant.PaymentMode.PREPAID:
        raise Conflict(
            f"Tenant '{tenant.slug}' pays before use, and a plan is charged after it: "
            "grant it credit, or let it pay by invoice.",
            param="tenant",
        )
    if version.published_at is None:
        raise Conflict(f"{version} is a draft: publish it first.", param="plan_version")
    if version.currency != tenant.currency:
        raise InvalidRequest(
            f"Tenant '{tenant.slug}' pays in {tenant.currency}, {version} is in "
            f"{version.currency}.",
            param="plan_version",
        )


def _require_reach(
    tenant: Tenant, running: Span, date: dt.date, field: str, now: dt.datetime
) -> None:
    if date < running.first_date:
        raise InvalidRequest(
            f"Give {running.first_date} or later: periods before the running one are "
            "charged as they were agreed.",
            param=field,
        )
    if date > (now + AHEAD_MAX).date():
        raise InvalidRequest(
            f"Give a date at most {AHEAD_MAX.days} days ahead.", param=field
        )
    first = BillingDay.objects.filter(tenant_id=tenant.pk).order_by("date").first()
    if first is not None and date < first.date:
        raise InvalidRequest(
            f"Tenant '{tenant.slug}' is there since {first.date}.", param=field
        )


def _require_free(tenant: Tenant, starts_on: dt.date, ends_on: dt.date | None) -> None:
    """Say in words what the constraint would refuse; the tenant's row is held."""
    others = Subscription.objects.filter(tenant=tenant).select_related("version")
    for other in others:
        end = other.ends_on
        if end is not None and (end <= starts_on or end <= other.starts_on):
            continue
        if ends_on is not None and ends_on <= other.starts_on:
            continue
        until = "" if end is None else f" until {end}"
        raise Conflict(
            f"Tenant '{tenant.slug}' holds {other.version} from {other.starts_on}"
            f"{until}: change or end that subscription.",
            param="starts_on",
        )
