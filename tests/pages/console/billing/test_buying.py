"""Credit is bought from the console: by hand, by a rule, on a page of the provider."""

import datetime as dt

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from kit.orm.roles import as_operator
from metering.billing.models import InvoiceLine
from metering.collection.models import PortalLink, Purchase
from metering.topups.models import TopUp, TopUpRule
from tenants import services
from tenants.models import Member, Tenant
from tests.factories.accounts import sign_in
from tests.factories.receivables import make_invoice
from tests.factories.tenants import make_member, make_tenant
from tests.pages.reading import tables, text

pytestmark = pytest.mark.usefixtures("fresh_database")

RULE = {"enabled": "on", "threshold": "5.00", "amount": "20", "period_max": "100"}


def billing(role: str = "billing") -> tuple[Client, Member]:
    """Return the browser of a member of a prepaid tenant, and the member."""
    tenant = make_tenant(payment_mode=Tenant.PaymentMode.PREPAID)
    member = make_member(tenant=tenant, role=role)
    return sign_in(Client(), member.user), member


def page(member: Member, rest: str) -> str:
    """Return the address of a page of billing."""
    return f"/console/{member.tenant.slug}/billing/{rest}"


def test_a_top_up_is_asked_for_by_its_invoice_where_nothing_is_paid_online() -> None:
    browser, member = billing()

    answer = browser.post(page(member, "top-up/"), {"amount": "12.5"})

    assert answer.status_code == 302
    with as_operator():
        (row,) = TopUp.objects.all()
    assert (row.amount_minor, row.way, row.tenant_id) == (
        1250,
        TopUp.Way.INVOICE,
        member.tenant_id,
    )
    again = browser.post(page(member, "top-up/"), {"amount": "12.5"})
    assert again.status_code == 400
    assert "open already" in text(again.content)


@pytest.mark.parametrize(
    "amount", ["", "0", "-5", "1.001", "1e3", "1,50", "x", "9" * 40]
)
def test_an_amount_that_is_none_is_refused(amount: str) -> None:
    browser, member = billing()

    assert browser.post(page(member, "top-up/"), {"amount": amount}).status_code == 400
    with as_operator():
        assert not TopUp.objects.exists()


def test_a_page_to_pay_on_is_followed_until_it_is_there(
    settings: Settings,
) -> None:
    settings.BILLING_PROVIDER = "stripe"
    browser, member = billing()

    answer = browser.post(page(member, "top-up/"), {"amount": "20"}, follow=True)

    with as_operator():
        (row,) = Purchase.objects.all()
    where = page(member, f"top-up/{row.pk}/")
    assert answer.redirect_chain == [(where, 302)]
    assert "being prepared" in text(answer.content)
    with as_operator():
        Purchase.objects.filter(pk=row.pk).update(
            state="quoted",
            total_minor=2380,
            subtotal_minor=2000,
            tax_minor=380,
            quoted_at=row.asked_at,
        )
        Purchase.objects.filter(pk=row.pk).update(
            state="open", url="https://pay.example/c/1"
        )
    part = browser.get(where, headers={"HX-Request": "true"}).content.decode()
    assert 'href="https://pay.example/c/1"' in part
    assert "<html" not in part

    back = browser.get(f"{where}?paid=yes").content
    assert "Your payment is being confirmed" in text(back)
    assert "pay.example" not in back.decode()
    assert f'hx-get="{where}?paid=yes"' in back.decode()

    browser.post(page(member, f"top-up/{row.pk}/cancel/"))
    with as_operator():
        row.refresh_from_db()
    assert row.cancel_asked_at is not None


def test_what_was_paid_leads_to_its_invoice(settings: Settings) -> None:
    settings.BILLING_PROVIDER = "stripe"
    browser, member = billing()
    browser.post(page(member, "top-up/"), {"amount": "20"})
    invoice = make_invoice([(InvoiceLine.Kind.TOP_UP, 2_000)], tenant=member.tenant)
    with as_operator():
        TopUp.objects.update(invoice=invoice)
        Purchase.objects.update(
            state="quoted",
            total_minor=2000,
            subtotal_minor=2000,
            quoted_at=dt.datetime(2026, 10, 1, tzinfo=dt.UTC),
        )
        for state in ("open", "paid"):
            Purchase.objects.update(state=state)
        (row,) = Purchase.objects.all()

    paid = browser.get(page(member, f"top-up/{row.pk}/?paid=yes")).content

    assert "Paid: your credit is there. The receipt follows by e-mail." in text(paid)
    address = page(member, f"invoices/{invoice.public_id}/")
    assert f'href="{address}"' in paid.decode()
    (head, line, *_) = tables(browser.get(address).content)["Lines"]
    shown = dict(zip(head, line, strict=True))
    assert (shown["Class"], shown["Quantity"]) == ("top-up", "not counted")


def test_a_rule_is_kept_and_shown(settings: Settings) -> None:
    browser, member = billing()

    answer = browser.post(page(member, "top-up/rule/"), RULE, follow=True)

    assert "Below 5.00 USD, 20.00 USD is bought by itself, at most 100.00 USD" in text(
        answer.content
    )
    browser.post(page(member, "top-up/rule/"), RULE | {"amount": "30"})
    with as_operator():
        (rule,) = TopUpRule.objects.all()
    assert (rule.amount_minor, rule.period_max_minor) == (3000, 10_000)
    assert int(rule.threshold_picos) == 5 * 10**12


def test_a_rule_that_buys_more_than_its_most_is_refused() -> None:
    browser, member = billing()

    answer = browser.post(page(member, "top-up/rule/"), RULE | {"period_max": "10"})

    assert answer.status_code == 400
    assert "at least the amount" in text(answer.content)
    with as_operator():
        assert not TopUpRule.objects.exists()


def test_a_link_to_the_portal_is_asked_for_and_opened(
    settings: Settings,
) -> None:
    settings.BILLING_PROVIDER = "stripe"
    browser, member = billing()

    answer = browser.post(page(member, "portal/"), follow=True)

    with as_operator():
        (row,) = PortalLink.objects.all()
        PortalLink.objects.update(state="ready", url="https://portal.example/s/1")
    assert answer.redirect_chain == [(page(member, f"portal/{row.pk}/"), 302)]
    there = browser.get(page(member, f"portal/{row.pk}/")).content.decode()
    assert 'href="https://portal.example/s/1"' in there


@pytest.mark.parametrize("rest", ["top-up/", "top-up/rule/", "portal/"])
def test_who_may_not_pay_buys_nothing(rest: str) -> None:
    browser, member = billing("admin")

    assert browser.post(page(member, rest), {"amount": "5"} | RULE).status_code == 403
    with as_operator():
        assert not TopUp.objects.exists()
        assert not TopUpRule.objects.exists()


def test_of_a_suspended_tenant_it_can_be_looked_at_alone() -> None:
    browser, member = billing("owner")
    with as_operator():
        services.suspend_tenant(tenant=member.tenant)

    assert browser.get(page(member, "")).status_code == 200
    assert browser.post(page(member, "top-up/"), {"amount": "5"}).status_code == 403


def test_a_purchase_of_another_tenant_is_not_there(settings: Settings) -> None:
    settings.BILLING_PROVIDER = "stripe"
    browser, member = billing()
    browser.post(page(member, "top-up/"), {"amount": "20"})
    with as_operator():
        (row,) = Purchase.objects.all()
    other, there = billing()

    assert other.get(page(there, f"top-up/{row.pk}/")).status_code == 404
    assert other.post(page(there, f"top-up/{row.pk}/cancel/")).status_code == 404
