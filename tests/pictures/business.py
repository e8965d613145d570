"""What became of the past: months closed and billed, paid late or not, credit, costs.

Each month is taken through the product's own steps as of its own time, so that what is
due is overdue by now. Runs where `history` ran, after it.
"""

import datetime as dt
import sys
from collections.abc import Sequence

from inference.control.models import ServedModel
from kit.money import picos_from_decimal
from kit.orm.roles import as_operator
from metering.billing import services as billing
from metering.billing.models import Invoice
from metering.economics.services import add_rate, work_out
from metering.ledger import services as ledger
from metering.ledger.models import CreditGrant
from metering.receivables.services import record_payment
from metering.subscriptions import services as subscriptions
from metering.subscriptions.subscribing import change_subscription, subscribe
from metering.usage.selectors import database_now
from metering.usage.services import roll_up
from tenants.models import Tenant
from tenants.services import create_plan
from tests.factories.economics import make_span
from tests.pictures.past import CUSTOMERS, began
from tests.pictures.rules import keep

CLOSING = dt.timedelta(days=2, hours=3)
PAID_AFTER = dt.timedelta(days=9)
# How many of its latest bills each customer has not paid.
UNPAID = dict(zip((one.slug for one in CUSTOMERS), (1, 1, 2, 3), strict=True))


# What is billed late is not due yet.
LATE = dt.timedelta(days=5)
HOURLY = "1.60"
# Each plan with its fee and the least that it comes to in a month, in minor units.
PLANS = (("Team", 49_900, 0), ("Scale", 199_900, 500_000))
UPGRADED = dt.timedelta(days=62)
FULL_LOAD_TOKENS_PER_S = 200


def main() -> None:
    """Do it for the customers of the past and say how many bills there are."""
    slugs = [one.slug for one in CUSTOMERS]
    with as_operator():
        tenants = list(Tenant.objects.filter(slug__in=slugs).order_by("pk"))
    sys.stdout.write(f"{settle(tenants)}\n")


def settle(tenants: Sequence[Tenant], *, hourly: str = HOURLY) -> int:
    """Bill every month that is over, have some of it paid, and count what it cost."""
    with as_operator():
        now = database_now()
        start = began(now)
        roll_up()
        _grant(tenants)
        _subscribe(tenants, start)
        bills = [bill for month in _months(now) for bill in _bill(tenants, month, now)]
        _pay(tenants, bills, now)
        ledger.post_days(now=now)
        ledger.book_due_burns(now=now)
        _count_costs(start, now, hourly)
        keep(tenants[0], now=now)
        return len(bills)


def _months(now: dt.datetime) -> list[dt.date]:
    """Return the first day of each month after one that is over."""
    first = began(now).date().replace(day=1)
    found: list[dt.date] = []
    while (first := (first + dt.timedelta(days=31)).replace(day=1)) <= now.date():
        if _closing(first) <= now:
            found.append(first)
    return found


def _closing(first: dt.date) -> dt.datetime:
    return dt.datetime.combine(first, dt.time(), tzinfo=dt.UTC) + CLOSING


def _bill(tenants: Sequence[Tenant], first: dt.date, now: dt.datetime) -> list[Invoice]:
    """Close the month before; the largest customer's latest bill goes out late."""
    at = _closing(first)
    latest = max(now - LATE, at)
    ledger.post_days(now=at)
    ledger.book_due_burns(now=at)
    bills = []
    for tenant in tenants:
        last = first - dt.timedelta(days=1)
        closed = billing.close_period(tenant=tenant, date=last, now=at)
        if closed.invoice is not None:
            is_late = tenant == tenants[0] and first == now.date().replace(day=1)
            issued = billing.issue_invoice(
                invoice=closed.invoice, now=latest if is_late else at
            )
            bills.append(issued)
    return bills


def _pay(tenants: Sequence[Tenant], bills: Sequence[Invoice], now: dt.datetime) -> None:
    """Pay all but the latest bills of those who are late."""
    for tenant in tenants:
        theirs = [bill for bill in bills if bill.tenant_id == tenant.pk]
        for bill in theirs[: len(theirs) - UNPAID[tenant.slug]]:
            at = min((bill.issued_at or now) + PAID_AFTER, now)
            if bill.amount_minor > 0:
                record_payment(
                    invoice=bill,
                    amount_minor=bill.amount_minor,
                    reference=f"transfer for {bill.number}",
                    received_at=at,
                    now=at,
                )


def _grant(tenants: Sequence[Tenant]) -> None:
    """Sell credit to one, give some to another: the one expires, the other does not."""
    source = CreditGrant.Source
    for tenant, kind, amount, days in (
        (tenants[1], source.TOP_UP, "9000", None),
        (tenants[3], source.PROMOTIONAL, "1500", 200),
    ):
        sold = tenant.created_at + dt.timedelta(hours=9)
        ledger.grant_credit(
            tenant=tenant,
            now=sold,
            source=kind,
            amount_picos=picos_from_decimal(amount),
            reference=f"{kind} of {tenant.slug}",
            expires_at=sold + dt.timedelta(days=days) if days else None,
        )


def _subscribe(tenants: Sequence[Tenant], start: dt.datetime) -> None:
    """Sell two a plan with a fee; one of them goes over to the larger one later."""
    versions = []
    for name, fee_minor, least_minor in PLANS:
        draft = subscriptions.draft_plan_version(
            plan=create_plan(slug=name.lower(), name=name),
            currency=tenants[0].currency,
            name=name,
            fee_minor=fee_minor,
            minimum_commitment_minor=least_minor,
        )
        versions.append(subscriptions.publish_plan_version(version=draft, now=start))
    team, scale = versions
    subscribe(tenant=tenants[0], version=scale, now=start)
    held = subscribe(tenant=tenants[2], version=team, now=start)
    change_subscription(subscription=held, version=scale, now=start + UPGRADED)


def _count_costs(start: dt.datetime, now: dt.datetime, hourly: str) -> None:
    """Say what replicas cost, that one of each model was there, and work it out."""
    add_rate(
        level="all",
        subject="",
        starts_on=start.date(),
        currency="USD",
        picos_per_hour=picos_from_decimal(hourly),
        tokens_per_s=FULL_LOAD_TOKENS_PER_S,
    )
    for model in ServedModel.objects.order_by("pk"):
        make_span(model=model.name, starts_at=start, until=now)
    for day in range((now - start).days + 1):
        work_out(date=start.date() + dt.timedelta(days=day), now=now)
