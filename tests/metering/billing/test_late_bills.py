"""Late use on bills as they are closed: it reopens what its own period came to."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from kit.contracts import TokenClass, TokenCounts
from metering.billing.models import Invoice
from metering.billing.rebuilding import rebuilt_lines
from metering.billing.services import close_period
from metering.subscriptions.services import ComponentWanted, DiscountWanted
from tenants.models import Tenant
from tests.factories.billing import CLOSED, FIRST, STARTED, make_month, make_tenant_of
from tests.factories.subscriptions import make_plan_version, make_subscription
from tests.factories.usage import Use, commit, make_epoch, undoing

pytestmark = pytest.mark.usefixtures("operator_db")
MILLION = 10**6
# At the price of the factories, 3.00 a million.
TEN_DOLLARS = TokenCounts(input_tokens=10 * MILLION // 3 + 1)
MONTHS = [FIRST, dt.date(2026, 10, 1), dt.date(2026, 11, 1)]
CLOSES = [
    CLOSED,
    dt.datetime(2026, 11, 2, tzinfo=dt.UTC),
    dt.datetime(2026, 12, 2, tzinfo=dt.UTC),
]
PER_REQUEST = ComponentWanted(
    name="Requests",
    meter="requests",
    document={
        "model": "graduated",
        "tiers": [
            {"up_to": "2", "unit_price": "1"},
            {"up_to": None, "unit_price": "0.5"},
        ],
    },
)
FEE_ON_USE = ComponentWanted(
    name="Handling",
    meter="charge",
    document={
        "model": "percentage",
        "rate_percent": "10",
        "fee_per_event": "1",
        "minimum": "3",
    },
)


def planned(**terms: object) -> tuple[Tenant, Use]:
    """Return a tenant with a plan from the first day on, and its one request."""
    tenant = make_tenant_of()
    version = make_plan_version(currency="USD", **terms)
    make_subscription(tenant=tenant, starts_on=FIRST, now=STARTED, version=version)
    return tenant, make_month(tenant=tenant, counts=TEN_DOLLARS)


def late(*uses: Use) -> list[Use]:
    """Commit requests of the first month that nobody knew of before."""
    commit(make_epoch(started_at=STARTED, state="closed"), *uses)
    return list(uses)


def bill(tenant: Tenant, month: int) -> Invoice:
    closed = close_period(tenant=tenant, date=MONTHS[month], now=CLOSES[month])
    assert closed.invoice is not None
    return closed.invoice


def told(invoice: Invoice) -> list[tuple[str, int]]:
    assert rebuilt_lines(invoice).sha256 == invoice.lines_sha256
    return [(row.kind, row.amount_minor) for row in invoice.lines.order_by("position")]


def test_a_late_request_is_counted() -> None:
    tenant, use = planned(components=[PER_REQUEST])
    first = bill(tenant, 0)
    late(use, use)
    second = bill(tenant, 1)
    late(use)
    third = bill(tenant, 2)

    assert told(first) == [("usage", 1000), ("component", 100)]
    # The second at 1.00, the third at 0.50.
    assert told(second) == [("adjustment", 2000), ("component", 150)]
    assert told(third) == [("adjustment", 1000), ("component", 50)]
    line = second.lines.get(kind="component")
    assert line.quantity == 2
    assert line.description.endswith("adjustment of 2026-09")


def test_a_minimum_that_was_charged_is_not_charged_again() -> None:
    """Of a percentage with a fee for each request, which were left out of it."""
    tenant, use = planned(components=[FEE_ON_USE])
    first = bill(tenant, 0)
    late(use)
    second = bill(tenant, 1)

    # 1.00 and one fee are raised to 3.00; 2.00 and two fees are 4.00.
    assert told(first) == [("usage", 1000), ("component", 300)]
    assert told(second) == [
        ("adjustment", 1000),
        ("component", 100),
        # October's own.
        ("component", 300),
    ]


def test_late_use_counts_towards_its_own_commitment() -> None:
    tenant, use = planned(minimum_commitment_minor=2500)
    first = bill(tenant, 0)
    late(use)
    second = bill(tenant, 1)
    late(use)
    third = bill(tenant, 2)

    assert told(first) == [("usage", 1000), ("commitment", 1500)]
    # It takes the place of what filled September up; October is filled up by itself.
    assert told(second) == [
        ("adjustment", 1000),
        ("commitment", -1000),
        ("commitment", 2500),
    ]
    assert told(third) == [
        ("adjustment", 1000),
        ("commitment", -500),
        ("commitment", 2500),
    ]


def test_what_is_taken_back_is_not_less_than_the_commitment() -> None:
    tenant = make_tenant_of()
    version = make_plan_version(currency="USD", minimum_commitment_minor=500)
    make_subscription(tenant=tenant, starts_on=FIRST, now=STARTED, version=version)
    use = make_month(tenant=tenant, counts=TokenCounts())
    (event,) = commit(
        make_epoch(started_at=STARTED, state="closed"),
        replace(use, counts=TEN_DOLLARS),
    )
    first = bill(tenant, 0)
    late(undoing(event, replace(use, counts=TEN_DOLLARS)))
    second = bill(tenant, 1)

    assert told(first) == [("usage", 1000)]
    # Nothing of September is left but its commitment.
    assert told(second) == [
        ("adjustment", -1000),
        ("commitment", 500),
        ("commitment", 500),
    ]


def test_a_fixed_discount_that_is_not_used_up_takes_from_late_use() -> None:
    tenant, use = planned(
        discounts=[
            DiscountWanted(name="Starter", scope="usage", amount_minor=1500),
            DiscountWanted(name="Half", scope="all", percent=Decimal(50)),
        ]
    )
    tenant_close = close_period(tenant=tenant, date=FIRST, now=CLOSED)
    late(use)
    second = bill(tenant, 1)

    assert tenant_close.invoice is not None
    assert told(tenant_close.invoice) == [("usage", 1000), ("discount", -1000)]
    assert told(second) == [
        ("adjustment", 1000),
        ("discount", -500),
        ("discount", -250),
    ]


def test_a_bill_that_did_not_freeze_it_is_made_again_as_it_was() -> None:
    tenant, use = planned(
        components=[PER_REQUEST],
        discounts=[DiscountWanted(name="Starter", scope="usage", amount_minor=1500)],
        minimum_commitment_minor=5000,
    )
    bill(tenant, 0)
    late(use)
    second = bill(tenant, 1)
    for key in ("requests", "requests_before", "came_to"):
        second.basis.pop(key)

    lines = rebuilt_lines(second).lines

    assert [(str(line.kind), line.amount_minor) for line in lines] == [
        ("adjustment", 1000),
        ("commitment", 5000),
    ]


def test_no_component_of_tokens_is_charged_twice_on_many_bills() -> None:
    included = ComponentWanted(
        name="Input",
        meter="tokens",
        token_classes=[TokenClass.INPUT],
        document={
            "model": "package",
            "package_size": "4000000",
            "package_price": "7",
        },
    )
    tenant, use = planned(components=[included])
    totals = []
    for month in range(3):
        if month:
            late(use)
        closed = close_period(tenant=tenant, date=MONTHS[month], now=CLOSES[month])
        totals.append(closed.invoice.amount_minor if closed.invoice else None)
    # Packages begun by 3.3, 6.7 and 10 million tokens: one, two, three.
    assert totals == [700, 700, 700]
