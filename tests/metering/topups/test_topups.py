"""Top-ups: asked for once, invoiced once, granted once."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from metering.billing.models import Invoice
from metering.billing.paid import invoice_paid
from metering.billing.services import draft_top_up, issue_invoice
from metering.ledger.models import Account, CreditGrant
from metering.ledger.selectors import balances
from metering.ledger.services import end_credit
from metering.receivables.services import record_payment
from metering.taxes.services import create_rate, treat_tenant
from metering.topups import advancing, asking, services
from metering.topups.models import TopUp
from metering.usage.selectors import database_now
from metering.usage.services import cover
from tenants.models import Tenant
from tests.metering.ledger.test_credit import DAY, UNIT, books, give, prepaid, spend

pytestmark = pytest.mark.usefixtures("operator_db")
HOUR = dt.timedelta(hours=1)


def ruled(**changes: Any) -> Tenant:
    """Make a prepaid tenant with a rule: below 5, buy 20, at most 50 a period."""
    tenant, now = prepaid(), database_now()
    cover(tenant=tenant, earliest=now - 40 * DAY, latest=now + DAY)
    terms: dict[str, Any] = {
        "threshold_picos": 5 * UNIT,
        "amount_minor": 2000,
        "period_max_minor": 5000,
        **changes,
    }
    services.set_rule(tenant=tenant, **terms)
    return tenant


def pay(top_up: TopUp, now: dt.datetime) -> None:
    """Tell that a top-up's invoice is paid."""
    top_up.refresh_from_db()
    invoice_paid.send(sender=Invoice, invoice=top_up.invoice, now=now)


def test_a_rule_buys_credit_once_too_little_is_left() -> None:
    tenant, now = ruled(), database_now()
    grant = give(tenant, 5)
    assert services.advance(now=now) == 0
    spend(tenant)
    assert services.advance(now=now) == 1
    assert services.advance(now=now + DAY) == 0
    top_up = TopUp.objects.get(tenant=tenant)
    assert (top_up.state, top_up.amount_minor, top_up.by_rule) == (
        "invoiced",
        2000,
        True,
    )
    pay(top_up, now)
    pay(top_up, now)
    top_up.refresh_from_db()
    bought = CreditGrant.objects.exclude(pk=grant.pk).get()
    assert (top_up.state, top_up.grant_id) == ("paid", bought.pk)
    assert (bought.amount_picos, bought.reference) == (
        20 * UNIT,
        f"top-up {top_up.pk}",
    )
    found = balances(tenant_id=tenant.pk, at=now)
    assert found[Account.Kind.DEFERRED, "USD"].picos == 20 * UNIT


@pytest.mark.parametrize("mode", ["disabled", "postpaid", "suspended"])
def test_a_rule_that_is_off_buys_nothing(mode: str) -> None:
    tenant = ruled(enabled=mode != "disabled")
    if mode != "disabled":
        field = "payment_mode" if mode == "postpaid" else "state"
        Tenant.objects.filter(pk=tenant.pk).update(**{field: mode})
    assert services.ask_by_rules(now=database_now()) == 0


def test_no_more_is_bought_in_a_period_than_its_maximum() -> None:
    tenant = ruled(cool_off_s=0)
    now = database_now()
    for number in range(4):
        services.advance(now=now)
        for top_up in TopUp.objects.filter(state="invoiced"):
            pay(top_up, now)
            row = CreditGrant.objects.get(reference=f"top-up {top_up.pk}")
            end_credit(grant=row, now=now)
        bought = TopUp.objects.filter(tenant=tenant)
        assert bought.count() == min(number + 1, 2)


def test_an_attempt_is_followed_by_another_only_after_a_while() -> None:
    tenant, now = ruled(cool_off_s=3600), database_now()
    services.ask_by_rules(now=now)
    services.cancel_top_up(top_up=TopUp.objects.get(tenant=tenant), now=now)
    soon = now + HOUR - dt.timedelta(seconds=1)
    assert services.ask_by_rules(now=soon) == 0
    assert services.ask_by_rules(now=now + HOUR) == 1


def test_what_will_have_expired_is_not_left() -> None:
    tenant, now = ruled(), database_now()
    give(tenant, 9, expires_at=now + HOUR)
    assert services.ask_by_rules(now=now) == 0
    assert services.ask_by_rules(now=now + HOUR) == 1


def test_one_is_open_at_a_time() -> None:
    tenant, now = prepaid(), database_now()
    services.ask_top_up(tenant=tenant, amount_minor=500, now=now)
    with pytest.raises(Conflict, match="open already"):
        services.ask_top_up(tenant=tenant, amount_minor=500, now=now)
    with pytest.raises(IntegrityError, match="top_up_one_open"), atomic():
        TopUp.objects.create(
            tenant=tenant, amount_minor=1, currency="USD", asked_at=now
        )


def test_one_that_is_invoiced_is_not_cancelled() -> None:
    tenant, now = prepaid(), database_now()
    top_up = services.ask_top_up(tenant=tenant, amount_minor=500, now=now)
    services.advance(now=now)
    with pytest.raises(Conflict, match="invoiced"):
        services.cancel_top_up(top_up=top_up, now=now)


def test_an_invoice_that_is_given_up_lets_another_be_asked_for() -> None:
    tenant, now = prepaid(), database_now()
    first = services.ask_top_up(tenant=tenant, amount_minor=500, now=now)
    services.advance(now=now)
    Invoice.objects.filter(tenant=tenant).update(state="void")
    services.advance(now=now)
    first.refresh_from_db()
    assert first.state == "failed"
    assert services.ask_top_up(tenant=tenant, amount_minor=500, now=now).pk
    # It is paid all the same: then the credit is due.
    pay(first, now)
    first.refresh_from_db()
    assert first.state == "paid"


def test_one_that_cannot_be_invoiced_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = database_now()
    stuck, other = prepaid(), prepaid()
    for tenant in (stuck, other):
        services.ask_top_up(tenant=tenant, amount_minor=500, now=now)

    def refused(*, tenant: Tenant, **more: Any) -> Invoice:
        if tenant == stuck:
            raise Conflict("no")
        return draft_top_up(tenant=tenant, **more)

    monkeypatch.setattr(advancing, "draft_top_up", refused)
    assert services.advance(now=now) == 1
    assert TopUp.objects.get(tenant=stuck).state == "due"


def test_an_invoice_that_is_paid_gives_credit_without_its_tax() -> None:
    tenant, now = prepaid(), database_now()
    create_rate(
        name="VAT", country="DE", percent=Decimal(19), starts_at=now - 900 * DAY
    )
    treat_tenant(tenant=tenant, now=now, kind="taxed", country="DE")
    top_up = services.ask_top_up(tenant=tenant, amount_minor=10_000, now=now)
    services.advance(now=now)
    top_up.refresh_from_db()
    assert top_up.invoice is not None
    invoice = issue_invoice(invoice=top_up.invoice, now=now)
    assert (invoice.amount_minor, invoice.tax_minor) == (11_900, 1_900)
    for part, amount in enumerate((11_000, 900)):
        assert not CreditGrant.objects.exists()
        record_payment(
            invoice=invoice,
            now=now,
            amount_minor=amount,
            reference=f"part {part}",
            received_at=now,
            method="transfer",
        )
    (grant,) = CreditGrant.objects.all()
    assert (grant.amount_picos, grant.reference) == (100 * UNIT, str(top_up))
    assert books(tenant) == {
        "cash": 119 * UNIT,
        "tax": -19 * UNIT,
        "wallet": -100 * UNIT,
    }


@pytest.mark.parametrize("amount", [0, -5])
def test_nothing_is_no_top_up(amount: int) -> None:
    with pytest.raises(InvalidRequest):
        services.ask_top_up(tenant=prepaid(), amount_minor=amount, now=database_now())


def test_a_rule_buys_no_more_at_once_than_in_a_period() -> None:
    with pytest.raises(InvalidRequest, match="at least the amount"):
        ruled(period_max_minor=1999)


def test_a_tenant_has_one_rule() -> None:
    tenant = ruled()
    row = services.set_rule(
        tenant=tenant, threshold_picos=1, amount_minor=1, period_max_minor=1
    )
    assert row.amount_minor == 1


def test_what_was_asked_for_stays() -> None:
    tenant, now = prepaid(), database_now()
    top_up = services.ask_top_up(tenant=tenant, amount_minor=500, now=now)
    with pytest.raises(Exception, match="only goes on"):
        TopUp.objects.filter(pk=top_up.pk).update(amount_minor=1)


def test_a_rule_buys_up_to_its_maximum_in_the_period_that_its_tenant_began_in() -> None:
    tenant = prepaid()
    # In the middle of a month: its first day has no row.
    begun = dt.datetime(2026, 11, 12, 9, tzinfo=dt.UTC)
    cover(tenant=tenant, earliest=begun, latest=begun + 30 * DAY)
    services.set_rule(
        tenant=tenant,
        threshold_picos=UNIT,
        amount_minor=2000,
        period_max_minor=2000,
        cool_off_s=0,
    )
    bought = []
    for day in (begun, begun + DAY, begun + 20 * DAY, begun + 21 * DAY):
        bought.append(services.advance(now=day))
        for top_up in TopUp.objects.filter(state="invoiced"):
            pay(top_up, day)
            top_up.refresh_from_db()
            assert top_up.grant is not None
            end_credit(grant=top_up.grant, now=day)
    assert bought == [1, 0, 1, 0]


def test_one_who_asks_by_hand_meanwhile_stops_no_other_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, other, now = ruled(), ruled(), database_now()
    wanted = asking._wanted

    def and_then_by_hand(now: dt.datetime, rule_id: int | None) -> list[int]:
        found = wanted(now, rule_id)
        if rule_id is not None and not TopUp.objects.exists():
            services.ask_top_up(tenant=first, amount_minor=1, now=now)
        return found

    monkeypatch.setattr(asking, "_wanted", and_then_by_hand)
    assert services.ask_by_rules(now=now) == 1
    made = TopUp.objects.order_by("pk").values_list("tenant_id", "by_rule")
    assert list(made) == [(first.pk, False), (other.pk, True)]
