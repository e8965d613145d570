"""Credit that a person pays for on the provider's page, against the stand-in."""

import datetime as dt
from decimal import Decimal

import pytest

from kit.errors import Conflict
from metering.billing import outbox
from metering.billing.models import Invoice, ProviderOperation
from metering.collection.buying import advancing, asking
from metering.collection.buying.handlers import page_changed, payment_changed
from metering.collection.models import PaymentMethod, Purchase
from metering.ledger.models import CreditGrant
from metering.taxes.services import create_rate, treat_tenant
from metering.topups.models import TopUp
from metering.topups.services import ask_top_up
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.metering.collection.buying.scene import prepaid
from tests.metering.collection.shopping import pay_on_page
from tests.metering.ledger.test_credit import DAY, UNIT
from tests.standins.stripe import StripeStandIn

pytestmark = pytest.mark.usefixtures("operator_db")
MINUTE = dt.timedelta(minutes=1)


def opened(tenant: Tenant | None = None, amount_minor: int = 10_000) -> Purchase:
    """Ask for credit, and let the worker open its page."""
    now = database_now()
    row = asking.ask_checkout(
        tenant=tenant or prepaid(), amount_minor=amount_minor, now=now
    )
    advancing.advance_purchases(now=database_now())
    row.refresh_from_db()
    return row


def test_a_page_is_opened_paid_and_becomes_credit(standin: StripeStandIn) -> None:
    tenant, now = prepaid(), database_now()
    create_rate(name="VAT", country="DE", percent=Decimal(19), starts_at=now - 9 * DAY)
    treat_tenant(tenant=tenant, now=now, kind="taxed", country="DE")
    row = opened(tenant)
    assert row.state == "open"
    assert row.url.startswith(standin.url)
    [session] = standin.engine.account.rows["checkout.session"].values()
    back = f"/console/{tenant.slug}/billing/top-up/{row.pk}/"
    assert session["success_url"].endswith(f"{back}?paid=yes")
    assert session["cancel_url"].endswith(back)
    pay_on_page(standin, row.session)
    page_changed("default", row.session, "checkout.session.completed", database_now())
    row.refresh_from_db()
    invoice = Invoice.objects.get()
    assert (row.state, invoice.state) == ("paid", "paid")
    assert (invoice.amount_minor, row.total_minor) == (11_900, 11_900)
    assert CreditGrant.objects.get().amount_picos == 100 * UNIT
    # What was paid with is kept, for what is bought by rule.
    kept = PaymentMethod.objects.get()
    assert (kept.brand, kept.last4, kept.is_default) == ("visa", "4242", True)


def test_news_before_the_page_is_noted_comes_again(standin: StripeStandIn) -> None:
    row = opened()
    pay_on_page(standin, row.session)
    Purchase.objects.filter(pk=row.pk).update(session="")
    with pytest.raises(Exception, match="being asked for"):
        page_changed("default", row.session, "checkout.session.completed", row.asked_at)


def test_every_news_of_a_payment_leads_to_it(standin: StripeStandIn) -> None:
    row = opened()
    pay_on_page(standin, row.session)
    [intent] = standin.engine.account.rows["payment_intent"]
    for _ in range(3):
        payment_changed("default", intent, "payment_intent.succeeded", database_now())
        page_changed("default", row.session, "checkout.session.completed", row.asked_at)
    assert CreditGrant.objects.count() == 1


def test_without_any_news_the_scan_finds_it_paid(standin: StripeStandIn) -> None:
    row = opened()
    pay_on_page(standin, row.session)
    assert advancing.advance_purchases(now=database_now() + 2 * MINUTE) == 0
    assert advancing.advance_purchases(now=database_now() + 6 * MINUTE) == 1
    row.refresh_from_db()
    assert row.state == "paid"


def test_what_is_abandoned_is_closed_and_lets_another_be_bought(
    standin: StripeStandIn,
) -> None:
    row = opened()
    with pytest.raises(Conflict, match="open already"):
        ask_top_up(tenant=row.tenant, amount_minor=500, now=database_now())
    advancing.advance_purchases(now=database_now() + 61 * MINUTE)
    row.refresh_from_db()
    assert row.state == "cancelled"
    assert TopUp.objects.get(pk=row.top_up_id).state == "cancelled"
    with pytest.raises(Exception, match="expired"):
        pay_on_page(standin, row.session)
    assert opened(row.tenant, 500).state == "open"
    assert not Invoice.objects.exists()


def test_a_page_is_closed_when_asked_to(standin: StripeStandIn) -> None:
    row = opened()
    asking.ask_to_cancel(purchase=row, now=database_now())
    advancing.advance_purchases(now=database_now())
    row.refresh_from_db()
    assert row.state == "cancelled"


def test_what_is_paid_while_it_is_being_closed_is_paid(standin: StripeStandIn) -> None:
    row = opened()
    asking.ask_to_cancel(purchase=row, now=database_now())
    pay_on_page(standin, row.session)
    advancing.advance_purchases(now=database_now())
    row.refresh_from_db()
    assert row.state == "paid"


def test_the_same_page_is_answered_again(standin: StripeStandIn) -> None:
    row = opened()
    again = asking.ask_checkout(
        tenant=row.tenant, amount_minor=10_000, now=database_now()
    )
    assert again.pk == row.pk


def test_too_little_is_refused_for_good(standin: StripeStandIn) -> None:
    row = opened(amount_minor=1)
    assert row.state == "failed"
    assert "refused" in row.problem
    assert TopUp.objects.get().state == "failed"


@pytest.mark.parametrize("kind", ["drop_before", "commit_then_drop"])
def test_an_answer_that_is_lost_makes_no_second_page(
    standin: StripeStandIn, kind: str
) -> None:
    standin.plan(kind, method="POST", path="/v1/checkout/sessions")
    row = opened()
    assert (row.state, row.session) == ("quoted", "")
    assert ProviderOperation.objects.get(name="checkout").state == "unknown"
    advancing.advance_purchases(now=database_now() + 2 * MINUTE)
    row.refresh_from_db()
    assert row.state == "open"
    assert list(standin.engine.account.rows["checkout.session"]) == [row.session]


def test_no_call_stays_in_doubt_once_the_purchase_has_ended(
    standin: StripeStandIn,
) -> None:
    row = opened()
    asking.ask_to_cancel(purchase=row, now=database_now())
    standin.plan("commit_then_drop", path="/v1/checkout/sessions/*/expire")
    advancing.advance_purchases(now=database_now())
    assert outbox.undone().get().name == "close_checkout"
    advancing.advance_purchases(now=database_now() + 2 * MINUTE)
    row.refresh_from_db()
    assert row.state == "cancelled"
    assert not outbox.undone().exists()


def test_a_default_whose_answer_was_lost_is_seen_through(
    standin: StripeStandIn,
) -> None:
    row = opened()
    pay_on_page(standin, row.session)
    standin.plan("drop_before", path="/v1/customers/*")
    advancing.advance_purchases(now=database_now() + 6 * MINUTE)
    row.refresh_from_db()
    assert row.state == "paid"
    assert outbox.undone().get().name == "default_method"
    assert not PaymentMethod.objects.get().is_default
    advancing.advance_purchases(now=database_now() + 7 * MINUTE)
    assert not outbox.undone().exists()
    assert PaymentMethod.objects.get().is_default
