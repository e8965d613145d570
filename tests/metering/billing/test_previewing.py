"""A preview of a plan is what the invoice would be, for whom it would be one."""

import datetime as dt
from dataclasses import replace
from typing import Any

from django.test import Client

from kit.contracts import TokenClass, TokenCounts
from metering.billing.previewing import holders, plan_effects
from metering.billing.services import close_period
from metering.ledger.services import post_days
from metering.subscriptions.services import ComponentWanted
from tenants.models import Tenant
from tests.factories.billing import CLOSED, FIRST, make_month, make_tenant_of
from tests.factories.pricing import make_price
from tests.factories.subscriptions import (
    make_draft_version,
    make_plan_version,
    make_subscription,
)
from tests.factories.usage import commit, make_epoch

USED = TokenCounts(input_tokens=2_000_000, output_tokens=1_000_000)
OUTPUT = ComponentWanted(
    name="Output",
    meter="tokens",
    token_classes=[TokenClass.OUTPUT],
    document={"model": "package", "package_size": "300000", "package_price": "5"},
)
FIRST_DAY = dt.datetime(2026, 9, 1, 3, tzinfo=dt.UTC)
TERMS: dict[str, Any] = {"fee_minor": 4900, "components": [OUTPUT]}


def shown(charges: Any) -> list[tuple[str, int]]:
    return [(str(line.kind), line.amount_minor) for line in charges.lines]


def test_a_preview_is_what_the_invoice_becomes(operator_db: None) -> None:
    """The same use twice: once previewed under a draft, once held and closed."""
    tenant, holder = make_tenant_of(), make_tenant_of()
    draft = make_draft_version(fee_in_advance=False, **TERMS)
    held = make_plan_version(**TERMS)
    make_subscription(tenant=holder, version=held, starts_on=FIRST, now=FIRST_DAY)
    for each in (tenant, holder):
        make_month(tenant=each, counts=USED)
    closed = close_period(tenant=holder, date=FIRST, now=CLOSED)
    post_days(now=CLOSED)

    (effect,) = plan_effects(version=draft, tenants=[tenant], now=CLOSED)

    assert effect.charged is not None
    assert effect.preview is not None
    assert effect.charged.amount_minor == 600 + 1500
    assert shown(effect.preview) == [
        ("usage", 600),
        ("component", 4 * 500),
        ("fee", 4900),
    ]
    assert closed.invoice is not None
    assert effect.preview.amount_minor == closed.invoice.subtotal_minor
    (own,) = plan_effects(version=draft, tenants=[holder], now=CLOSED)
    assert own.charged is not None
    assert own.charged.amount_minor == closed.invoice.subtotal_minor


def test_it_is_for_those_who_hold_the_plan_or_are_on_it(operator_db: None) -> None:
    version = make_plan_version()
    draft = make_draft_version(plan=version.plan)
    holder, member, stranger = (make_tenant_of() for _ in range(3))
    Tenant.objects.filter(pk=member.pk).update(plan=version.plan)
    other = make_tenant_of(currency="EUR")
    Tenant.objects.filter(pk=other.pk).update(plan=version.plan)
    make_subscription(tenant=holder, version=version, starts_on=FIRST, now=FIRST_DAY)
    assert set(holders(version=draft)) == {holder, member}
    assert list(holders(version=draft, tenant=stranger)) == [stranger]
    assert list(holders(version=draft, tenant=other)) == []


def test_use_that_makes_no_bill_is_named(operator_db: None) -> None:
    tenant = make_tenant_of()
    use = make_month(tenant=tenant)
    in_euros = make_price(currency="EUR")
    commit(
        make_epoch(started_at=FIRST_DAY, state="closed"),
        replace(use, price=in_euros),
    )
    post_days(now=CLOSED)
    draft = make_draft_version()
    (effect,) = plan_effects(version=draft, tenants=[tenant], now=CLOSED)
    assert effect.preview is None
    assert "EUR" in effect.problem


def test_it_is_read_over_the_api(operator: Client) -> None:
    tenant = make_tenant_of()
    draft = make_draft_version(fee_minor=4900)
    path = f"/api/v1/plan-versions/{draft.pk}/preview/?tenant={tenant.slug}"
    (found,) = operator.get(path).json()["data"]
    assert (found["charged"], found["preview"]) == ("0.00", "49.00")
    assert [line["kind"] for line in found["lines"]] == ["fee"]
