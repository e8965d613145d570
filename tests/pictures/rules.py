"""What the first customer holds itself to, and who is told of it.

Limits of which some is used, endpoints with what was sent to them, a place offered, a
token and a file: what a tenant's own pages show beside its use. Runs where `history`
ran, in one transaction, so that the product's worker sends none of it again.
"""

import datetime as dt

from kit.money import picos_from_decimal
from kit.orm.atomic import atomic
from kit.scopes import Scope
from metering.alerts import deliveries, telling
from metering.alerts import services as alerts
from metering.alerts.models import Delivery, Endpoint, EventType
from metering.exports.services import ask_for_export
from tenants import services as tenancy
from tenants.models import ApiKey, Member, Project, Role, Tenant
from tenants.services import Holder
from tests.factories.tenants import default_project

HOUR = dt.timedelta(hours=1)
# Answers of an endpoint, the latest first: what it said, and after how long.
ANSWERS: tuple[tuple[int | None, str, int], ...] = (
    (200, "", 84),
    (200, "", 91),
    (503, "answered 503", 1_204),
    (200, "", 77),
)


def keep(tenant: Tenant, *, now: dt.datetime) -> None:
    """Give a tenant limits, endpoints, an invitation, a token and a file."""
    with atomic():
        _limit(tenant, now)
        _tell(tenant, now)
        tenancy.invite(
            tenant=tenant, email="grace@northwind.example", role=Role.VIEWER, now=now
        )
        tenancy.issue_token(
            name="cost report",
            scopes=[Scope.USAGE_READ, Scope.BILLING_READ],
            tenant=tenant,
            member=Member.objects.get(tenant=tenant, role=Role.OWNER),
            now=now,
        )
        first = (now.date().replace(day=1) - dt.timedelta(days=1)).replace(day=1)
        ask_for_export(
            subject="usage",
            form="csv",
            first_date=first,
            end_date=now.date().replace(day=1),
            tenant=tenant,
        )


def _limit(tenant: Tenant, now: dt.datetime) -> None:
    """Set limits, none of which the pictures' own calls come up to."""
    whole = Holder.of(tenant=tenant)
    research = Holder.of(project=Project.objects.get(tenant=tenant, slug="research"))
    nightly = Holder.of(
        api_key=ApiKey.objects.get(
            tenant=tenant, project=default_project(tenant), name="nightly batch"
        )
    )
    for holder, amount, is_hard in ((whole, "12000", True), (research, "1500", False)):
        tenancy.create_budget(
            holder=holder,
            window="month",
            amount_picos=picos_from_decimal(amount),
            is_hard=is_hard,
            warn_at=[50, 80],
            now=now,
        )
    tenancy.create_quota(
        holder=nightly, unit="tokens", window="day", value=120_000_000, now=now
    )
    tenancy.create_rate_limit(
        holder=whole, unit="requests", window="minute", value=60_000, now=now
    )
    tenancy.create_rate_limit(
        holder=whole, unit="concurrent_requests", value=256, now=now
    )


def _tell(tenant: Tenant, now: dt.datetime) -> None:
    """Make two endpoints: one is well, the other was paused by somebody."""
    spending = alerts.create_endpoint(
        tenant=tenant,
        name="Spend alerts",
        url="https://hooks.northwind.example/tollgate",
        events=[EventType.THRESHOLD_REACHED, EventType.SPENT],
    ).row
    for hours, answer in reversed(tuple(enumerate(ANSWERS))):
        _send(spending, answer, now - 7 * hours * HOUR)
    former = alerts.create_endpoint(
        tenant=tenant, name="Former pager", url="https://pager.northwind.example/in"
    ).row
    alerts.pause_endpoint(endpoint=former, now=now)


def _send(
    endpoint: Endpoint, answer: tuple[int | None, str, int], at: dt.datetime
) -> None:
    """Leave a test behind that was sent and answered."""
    status, problem, took_ms = answer
    row: Delivery = telling.tell_test(endpoint, now=at)
    row.attempts = 1 if status == 200 else len(deliveries.DELAYS) + 1
    row.last_tried_at = at
    row.save(update_fields=["attempts", "last_tried_at"])
    if status == 200:
        deliveries.note_success(row, now=at, status=status, took_ms=took_ms)
    else:
        deliveries.note_failure(
            row, problem=problem, now=at, status=status, took_ms=took_ms
        )
