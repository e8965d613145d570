"""Credit and its books, whatever is done in whatever order: nothing comes or goes."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.errors import Conflict
from kit.orm.atomic import atomic
from metering.ledger import services, wallets
from metering.ledger.models import (
    CreditAccount,
    CreditBurn,
    CreditDraw,
    CreditGrant,
)
from metering.ledger.services import Part
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tenants.services import set_payment_mode
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use
from tests.metering.ledger.test_credit import DAY, books, give

pytestmark = pytest.mark.usefixtures("operator_db")
# A request of this price and size costs a little more than two units.
PER_MILLION = ("10000", "10000", "10000")
COST = 170 * 10_000 * 10**6

_steps = st.lists(
    st.tuples(
        st.just("grant"),
        st.sampled_from(("top_up", "promotional", "adjustment")),
        st.integers(1, 5),
        st.integers(0, 2),
        st.none() | st.integers(1, 9),
    )
    | st.tuples(st.just("use"))
    | st.tuples(st.just("bill"), st.integers(0, 4))
    | st.tuples(st.just("book"))
    | st.tuples(st.just("wait"), st.integers(1, 5))
    | st.tuples(st.just("reverse"), st.integers(0, 5), st.booleans())
    | st.tuples(st.just("switch")),
    min_size=3,
    max_size=12,
)


@dataclass
class World:
    """One tenant, and the days that have passed."""

    tenant: Tenant
    use: Use
    epoch: Any
    start: dt.datetime
    days: int = 0
    used: int = 0
    billed: int = 0
    bills: int = 0
    references: list[str] = field(default_factory=list)

    @property
    def now(self) -> dt.datetime:
        return self.start + self.days * DAY


def _world() -> World:
    now = database_now()
    price = make_price(per_million=PER_MILLION)
    tenant = make_tenant(payment_mode="prepaid")
    use = make_use(price=price, admitted_at=now, tenant=tenant)
    return World(tenant, use, make_epoch(started_at=now), now)


def _do(world: World, name: str, *given_: Any) -> None:
    tenant_id = world.tenant.pk
    match name, given_:
        case "grant", [source, units, priority, days]:
            world.references.append(f"grant {len(world.references)}")
            ends = None if days is None else world.now + days * DAY
            give(
                world.tenant,
                units,
                world.references[-1],
                source=source,
                priority=priority,
                expires_at=ends,
            )
        case "use", []:
            (event,) = commit(world.epoch, world.use)
            world.used += event.charge_picos
        case "bill", [requests]:
            world.bills += 1
            picos = min(requests * COST, world.used - world.billed)
            world.billed += picos
            services.draw_credit(
                tenant=world.tenant,
                parts=[Part("m", picos)],
                source=f"bill {world.bills}",
                now=world.now,
                ends_at=world.now,
            )
        case "book", []:
            services.book_burns(tenant_id=tenant_id, now=world.now)
        case "wait", [days]:
            world.days += days
            services.settle_credit(now=world.now)
        case "reverse", [which, is_refund] if world.references:
            grants = CreditGrant.objects.filter(tenant_id=tenant_id).order_by("pk")
            grant = grants[which % len(world.references)]
            try:
                services.reverse_credit(
                    grant=grant,
                    amount_picos=COST,
                    reversal="refund" if is_refund else "charge_back",
                    now=world.now,
                )
            except Conflict:
                return
        case "switch", []:
            is_prepaid = world.tenant.payment_mode == "prepaid"
            mode = "postpaid" if is_prepaid else "prepaid"
            world.tenant = set_payment_mode(tenant=world.tenant, payment_mode=mode)


def _check(world: World) -> None:
    """Hold the grants against the books, the burns and the bills."""
    services.book_burns(tenant_id=world.tenant.pk, now=world.now)
    grants = CreditGrant.objects.filter(tenant_id=world.tenant.pk)
    sums = grants.aggregate(
        **{
            name: Sum(f"{name}_picos", default=0)
            for name in ("amount", "burned", "booked", "expired", "reversed")
        }
    )
    left = sums["amount"] - sums["burned"] - sums["expired"] - sums["reversed"]
    found = books(world.tenant)
    held = found.get("wallet", 0) + found.get("promotional_credit", 0)
    assert -held == left
    assert sums["burned"] == sums["booked"] <= sums["amount"]
    assert sum(found.values()) == 0
    assert found.get("accrued", 0) == -sums["booked"]
    for grant in grants:
        burns = CreditBurn.objects.filter(grant=grant).aggregate(
            picos=Sum("amount_picos", default=0)
        )
        assert burns["picos"] == grant.booked_picos
    drawn = CreditDraw.objects.filter(tenant_id=world.tenant.pk).aggregate(
        picos=Sum("amount_picos", default=0)
    )
    # No bill shows more than it came to, and all of them no more than was used.
    assert drawn["picos"] <= world.billed <= world.used
    # Use is paid from credit, or was without, and waits only where none is left.
    account = CreditAccount.objects.get(tenant_id=world.tenant.pk)
    paused = account.paused_at_picos
    counted = world.used if paused is None else paused
    due = counted - account.base_picos - sums["burned"]
    assert due == 0 or (due > 0 and left == 0)
    wallet = wallets.wallet(tenant=world.tenant, now=world.now)
    assert (wallet.left, wallet.pending) == (left, 0)


@settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=_steps)
def test_nothing_comes_or_goes(steps: list[tuple[Any, ...]]) -> None:
    with atomic():
        world = _world()
        for name, *rest in steps:
            _do(world, name, *rest)
            _check(world)
