"""Credit that the default payment method pays for, nobody being there."""

import datetime as dt
from typing import Any

import pytest

from kit.money import picos_from_minor
from metering.alerts.models import Delivery, Event
from metering.billing.models import Invoice, ProviderOperation
from metering.collection.buying import advancing, asking
from metering.collection.models import Purchase
from metering.ledger.models import CreditGrant
from metering.topups.models import TopUp
from metering.topups.services import ask_by_rules, ask_top_up, set_rule
from metering.usage.selectors import database_now
from metering.usage.services import cover
from tenants.models import Tenant
from tests.metering.collection.buying.scene import prepaid
from tests.metering.collection.shopping import (
    DECLINES_LATER,
    NEEDS_AUTHENTICATION,
    VISA,
    pay_on_page,
    store_card,
)
from tests.metering.ledger.test_credit import DAY, UNIT
from tests.standins.stripe import StripeStandIn

pytestmark = pytest.mark.usefixtures("operator_db")
HOUR = dt.timedelta(hours=1)


def ruled(**changes: Any) -> Tenant:
    """Make a prepaid tenant without credit, and a rule that buys 20."""
    tenant = prepaid(billing_email="bills@tenant.example")
    now = database_now()
    cover(tenant=tenant, earliest=now - 40 * DAY, latest=now + DAY)
    terms: dict[str, Any] = {
        "threshold_picos": picos_from_minor(500, tenant.currency),
        "amount_minor": 2000,
        "period_max_minor": 5000,
        **changes,
    }
    set_rule(tenant=tenant, **terms)
    return tenant


def bought(tenant: Tenant, now: dt.datetime) -> TopUp:
    """Let rules ask and the worker buy; return the latest top-up."""
    ask_by_rules(now=now)
    advancing.advance_purchases(now=database_now())
    return TopUp.objects.filter(tenant=tenant).order_by("-pk")[0]


def test_a_rule_buys_by_the_default_method(standin: StripeStandIn) -> None:
    tenant = ruled()
    store_card(standin, tenant, VISA)
    top_up = bought(tenant, database_now())
    assert (top_up.state, top_up.way) == ("paid", "method")
    assert Invoice.objects.get().state == "paid"
    assert CreditGrant.objects.get().amount_picos == 20 * UNIT
    assert Purchase.objects.get().intent.startswith("pi_")


def test_without_a_method_it_waits_and_says_so_once(standin: StripeStandIn) -> None:
    tenant, now = ruled(), database_now()
    top_up = bought(tenant, now)
    assert (top_up.state, top_up.problem) == ("due", advancing.NO_METHOD)
    assert Event.objects.get().type == "top_up.waiting"
    assert Delivery.objects.get().channel == "mail"
    advancing.advance_purchases(now=now)
    assert Event.objects.count() == 1
    # As soon as there is one, it goes on.
    store_card(standin, tenant, VISA)
    advancing.advance_purchases(now=database_now())
    top_up.refresh_from_db()
    assert (top_up.state, top_up.problem) == ("paid", "")


def test_what_waits_can_be_paid_on_a_page(standin: StripeStandIn) -> None:
    tenant = ruled()
    top_up = bought(tenant, database_now())
    row = asking.pay_on_page(top_up=top_up, now=database_now())
    advancing.advance_purchases(now=database_now())
    row.refresh_from_db()
    pay_on_page(standin, row.session)
    advancing.advance_purchases(now=database_now() + HOUR)
    top_up.refresh_from_db()
    assert top_up.state == "paid"


@pytest.mark.parametrize(
    ("number", "said"),
    [(DECLINES_LATER, "declined"), (NEEDS_AUTHENTICATION, "confirm the payment")],
)
def test_what_the_bank_refuses_is_not_owed(
    standin: StripeStandIn, number: str, said: str
) -> None:
    tenant, now = ruled(), database_now()
    store_card(standin, tenant, number)
    top_up = bought(tenant, now)
    assert top_up.state == "failed"
    assert said in top_up.problem
    assert not Invoice.objects.exists()
    assert not CreditGrant.objects.exists()
    [payment] = standin.engine.account.rows["payment_intent"].values()
    assert payment["status"] == "canceled"
    # Not again at once, and not told again the same day.
    assert ask_by_rules(now=now + HOUR / 2) == 0
    again = bought(tenant, now + HOUR + dt.timedelta(minutes=1))
    assert (again.pk != top_up.pk, again.state) == (True, "failed")
    assert [each.type for each in Event.objects.all()] == ["top_up.failed"]


def test_by_hand_it_is_bought_in_the_same_way(standin: StripeStandIn) -> None:
    tenant = prepaid()
    store_card(standin, tenant, VISA)
    ask_top_up(tenant=tenant, amount_minor=700, now=database_now())
    advancing.advance_purchases(now=database_now())
    assert CreditGrant.objects.get().amount_picos == 7 * UNIT


@pytest.mark.parametrize("kind", ["drop_before", "commit_then_drop", "commit_then_500"])
def test_an_answer_that_is_lost_takes_no_second_payment(
    standin: StripeStandIn, kind: str
) -> None:
    tenant = ruled()
    store_card(standin, tenant, VISA)
    standin.plan(kind, method="POST", path="/v1/payment_intents")
    top_up = bought(tenant, database_now())
    assert top_up.state == "pending"
    assert ProviderOperation.objects.get(name="payment").state == "unknown"
    advancing.advance_purchases(now=database_now() + 2 * dt.timedelta(minutes=1))
    top_up.refresh_from_db()
    assert top_up.state == "paid"
    assert len(standin.engine.account.rows["payment_intent"]) == 1
    assert CreditGrant.objects.count() == 1


def test_a_charge_that_is_never_answered_is_found_after_the_key_died(
    standin: StripeStandIn,
) -> None:
    tenant = ruled()
    store_card(standin, tenant, VISA)
    standin.plan("commit_then_drop", method="POST", path="/v1/payment_intents")
    bought(tenant, database_now())
    standin.advance(2 * 24 * 3600)
    advancing.advance_purchases(now=database_now() + 2 * DAY)
    assert len(standin.engine.account.rows["payment_intent"]) == 1
    assert CreditGrant.objects.count() == 1
