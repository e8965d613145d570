"""What plans bring each month, as of a day, and what moved it since another one.

Monthly recurring revenue is a balance: the fees of the plans that tenants hold, less
what discounts of those plans take off fees; a billing period is a month, so that a fee
is one already. Use, commitments, top-ups, tax and what is agreed for once are none of
it, and who pays late counts. It is no revenue: a tenant may use five times as much.

Failure: none; amounts of different currencies are never added. Owns: nothing.
"""

import datetime as dt
import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from kit.money import whole_picos
from metering.subscriptions.models import PlanVersion, Subscription
from metering.subscriptions.selectors import plan_terms
from metering.subscriptions.terms import DiscountScope, PlanTerms

YEAR_MONTHS = 12


class Why(enum.StrEnum):
    """What moved a tenant's recurring revenue."""

    NEW = "new"
    EXPANSION = "expansion"
    REACTIVATION = "reactivation"
    CONTRACTION = "contraction"
    CHURN = "churn"


@dataclass(frozen=True, slots=True)
class Holding:
    """A plan that a tenant holds from a day on, up to before another or for good."""

    tenant_id: int
    version_id: int
    plan: str
    currency: str
    fee_picos: int
    commitment_picos: int
    starts_on: dt.date
    ends_on: dt.date | None

    def holds_on(self, date: dt.date) -> bool:
        """Tell whether the tenant has it on a day."""
        return self.starts_on <= date and (self.ends_on is None or date < self.ends_on)


@dataclass(frozen=True, slots=True)
class Moved:
    """What a tenant's recurring revenue was, what it is, and why it moved."""

    tenant_id: int
    currency: str
    opening_picos: int
    closing_picos: int
    why: Why | None

    @property
    def picos(self) -> int:
        """Return by how much it moved."""
        return self.closing_picos - self.opening_picos


@dataclass(frozen=True, slots=True)
class ByPlan:
    """What one plan version brings, and to how many tenants it belongs."""

    plan: str
    currency: str
    tenants: int
    opening_picos: int
    closing_picos: int
    commitment_picos: int


@dataclass(slots=True)
class Recurring:
    """The recurring revenue of one currency between two days."""

    currency: str
    opening_picos: int = 0
    closing_picos: int = 0
    commitment_picos: int = 0
    tenants: int = 0
    moved: dict[Why, int] = field(default_factory=lambda: dict.fromkeys(Why, 0))
    of_tenants: list[Moved] = field(default_factory=list)
    plans: list[ByPlan] = field(default_factory=list)

    @property
    def a_year_picos(self) -> int:
        """Return what it comes to in a year, were nothing to change."""
        return YEAR_MONTHS * self.closing_picos


def fee_of(plan: PlanTerms) -> Fraction:
    """Return a plan's fee of a month in currency units, after what is taken off fees.

    In the discounts' order, and never below nothing. What is taken off use and fees
    together is counted against the fee first.
    """
    fee = plan.fee
    for discount in plan.discounts:
        if discount.scope is DiscountScope.USAGE:
            continue
        if discount.percent is not None:
            fee -= fee * discount.percent / 100
        elif discount.amount is not None:
            fee -= discount.amount
    return max(fee, Fraction())


def holdings() -> list[Holding]:
    """Return all that tenants ever subscribed to, each version's fee read once."""
    versions = {
        row.pk: plan_terms(row)
        for row in PlanVersion.objects.filter(
            pk__in=Subscription.objects.values("version_id")
        ).prefetch_related("components", "discounts")
    }
    fees = {pk: whole_picos(fee_of(plan)) for pk, plan in versions.items()}
    rows = Subscription.objects.order_by("tenant_id", "starts_on", "id").values_list(
        "tenant_id", "version_id", "starts_on", "ends_on"
    )
    return [
        Holding(
            tenant_id=tenant_id,
            version_id=version_id,
            plan=f"{versions[version_id].name} v{versions[version_id].number}",
            currency=versions[version_id].currency,
            fee_picos=fees[version_id],
            commitment_picos=whole_picos(versions[version_id].commitment),
            starts_on=starts_on,
            ends_on=ends_on,
        )
        for tenant_id, version_id, starts_on, ends_on in rows
    ]


def recurring(
    held: Iterable[Holding], *, currency: str, opens: dt.date, closes: dt.date
) -> Recurring:
    """Return what plans bring on the day `closes`, and what moved it since `opens`."""
    found = Recurring(currency)
    of_tenant: dict[int, list[Holding]] = defaultdict(list)
    for each in held:
        if each.currency == currency:
            of_tenant[each.tenant_id].append(each)
    for tenant_id, some in of_tenant.items():
        moved = _moved(tenant_id, some, opens, closes)
        found.opening_picos += moved.opening_picos
        found.closing_picos += moved.closing_picos
        found.tenants += moved.closing_picos > 0
        found.commitment_picos += sum(
            each.commitment_picos for each in some if each.holds_on(closes)
        )
        if moved.why is not None:
            found.moved[moved.why] += moved.picos
        if moved.opening_picos or moved.closing_picos:
            found.of_tenants.append(moved)
    found.plans = _by_plan(of_tenant, currency, opens, closes)
    return found


def _moved(
    tenant_id: int, some: list[Holding], opens: dt.date, closes: dt.date
) -> Moved:
    opening = sum(each.fee_picos for each in some if each.holds_on(opens))
    closing = sum(each.fee_picos for each in some if each.holds_on(closes))
    why: Why | None = None
    if closing > opening:
        why = Why.EXPANSION
        if not opening:
            paid = any(each.fee_picos and each.starts_on <= opens for each in some)
            why = Why.REACTIVATION if paid else Why.NEW
    elif closing < opening:
        why = Why.CONTRACTION if closing else Why.CHURN
    return Moved(tenant_id, some[0].currency, opening, closing, why)


def _by_plan(
    of_tenant: Mapping[int, list[Holding]],
    currency: str,
    opens: dt.date,
    closes: dt.date,
) -> list[ByPlan]:
    plans: dict[int, list[Holding]] = defaultdict(list)
    for some in of_tenant.values():
        for each in some:
            plans[each.version_id].append(each)
    rows = []
    for some in plans.values():
        now = [each for each in some if each.holds_on(closes)]
        before = [each for each in some if each.holds_on(opens)]
        if now or before:
            rows.append(
                ByPlan(
                    plan=some[0].plan,
                    currency=currency,
                    tenants=len(now),
                    opening_picos=sum(each.fee_picos for each in before),
                    closing_picos=sum(each.fee_picos for each in now),
                    commitment_picos=sum(each.commitment_picos for each in now),
                )
            )
    return sorted(rows, key=lambda row: (-row.closing_picos, row.plan))
