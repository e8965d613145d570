"""Tax that Stripe computes: read back, written as ours, never predicted."""

from collections.abc import Iterator

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import Conflict
from metering.billing.lines import LineKind
from metering.billing.models import Invoice, Seller
from metering.billing.parties import set_billing_profile
from metering.billing.providers.base import finished
from metering.billing.providers.stripe.mapping import net_lines
from metering.billing.providers.stripe.provider import StripeProvider
from metering.billing.rebuilding import rebuilt_lines
from metering.billing.services import issue_invoice
from metering.billing.taxing import (
    AUTOMATIC,
    ComputedTax,
    treatment_of,
    untaxed_sha256,
    write_computed,
)
from metering.ledger.models import Account, Entry
from tenants.models import Tenant
from tests.factories.billing import make_draft as closed_draft
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import (
    MINUTE,
    NOW,
    lines_of,
    make_draft,
)
from tests.standins.stripe import StripeStandIn

TAX = {"tax": {"kind": AUTOMATIC, "note": "", "rates": []}, "credit": []}


@pytest.fixture
def automatic() -> Iterator[None]:
    with override_settings(
        BILLING_PROVIDER="stripe", STRIPE_API_KEY="sk_test", STRIPE_AUTOMATIC_TAX=True
    ):
        yield


def _draft(*amounts: int, tenant: Tenant) -> Invoice:
    invoice = make_draft(*amounts, provider="stripe", tenant=tenant)
    invoice.basis = TAX
    invoice.save()
    return invoice


def _tenant(**said: str) -> Tenant:
    tenant = make_tenant(currency="USD")
    if said:
        set_billing_profile(tenant=tenant, **said)
    return tenant


def _taxes(invoice: Invoice) -> list[tuple[str, int]]:
    rows = invoice.lines.filter(kind=LineKind.TAX).order_by("position")
    return list(rows.values_list("description", "amount_minor"))


def test_what_stripe_computed_stands_on_our_invoice_to_the_cent(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    """Two lines of 0.33 at 19 % are 0.12 by the line, and 0.13 by their sum."""
    invoice = _draft(33, 33, tenant=_tenant(country="DE", address="A 1\n10115 Berlin"))
    stripe_provider.advance(invoice, now=NOW)
    assert finished(invoice), invoice.problem
    assert _taxes(invoice) == [("VAT 19 %, DE country, computed by Stripe", 12)]
    assert (invoice.amount_minor, invoice.tax_minor) == (78, 12)
    [theirs] = standin.invoices()
    assert (theirs["total"], theirs["status"]) == (78, "open")
    booked = Entry.objects.get(account__kind=Account.Kind.TAX)
    assert booked.amount_picos == -120_000_000_000


def test_a_total_that_its_tax_makes_too_large_gets_no_number(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = _tenant(country="DE", address="A 1\n10115 Berlin")
    invoice = _draft(90_000_000, tenant=tenant)
    stripe_provider.advance(invoice, now=NOW)
    assert (invoice.number, invoice.amount_minor) == (None, 107_100_000)
    assert "more than Stripe takes" in invoice.problem
    assert [row["status"] for row in standin.invoices()] == ["draft"]


def test_each_tax_of_a_place_is_a_line(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    where = {
        "country": "US",
        "region": "NY",
        "address": "1 Main St\nNew York, NY 10001",
    }
    invoice = _draft(10_000, tenant=_tenant(**where))
    stripe_provider.advance(invoice, now=NOW)
    assert finished(invoice), invoice.problem
    assert [amount for _, amount in _taxes(invoice)] == [400, 488]
    [customer] = standin.engine.account.customers.values()
    assert customer["address"]["postal_code"] == "10001"


def test_reverse_charge_is_told_and_a_place_without_tax_is_not(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = _tenant(country="FR")
    invoice = _draft(1000, tenant=tenant)
    standin.plan("drop_before", path="/v1/invoices")
    stripe_provider.advance(invoice, now=NOW)
    [customer] = standin.engine.account.customers.values()
    customer["tax_exempt"] = "reverse"
    stripe_provider.advance(invoice, now=NOW + MINUTE)
    assert _taxes(invoice) == [
        ("VAT 0 %, FR country, reverse charge, computed by Stripe", 0)
    ]
    nowhere = _draft(1000, tenant=_tenant(country="BR"))
    stripe_provider.advance(nowhere, now=NOW)
    assert finished(nowhere)
    assert _taxes(nowhere) == []


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({}, "a country"),
        ({"country": "US", "address": "1 Main St"}, "its ZIP code"),
        ({"country": "CA"}, "its postal code"),
    ],
)
def test_a_place_that_stripe_cannot_tax_is_held_until_it_is_given(
    operator_db: None,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    said: dict[str, str],
    missing: str,
) -> None:
    tenant = _tenant(**said)
    invoice = _draft(1000, tenant=tenant)
    stripe_provider.advance(invoice, now=NOW)
    assert missing in invoice.problem
    assert (invoice.number, invoice.tax_minor) == (None, 0)
    given = {"country": "CA", "region": "QC", "address": "1 Rue\nMontreal H2X 1Y4"}
    set_billing_profile(tenant=tenant, **given)
    stripe_provider.advance(invoice, now=NOW + MINUTE)
    assert finished(invoice), invoice.problem
    assert invoice.tax_minor == 150
    assert Seller.objects.get().last_number == 1


def test_credit_and_discounts_lessen_what_is_taxed(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    """Stripe takes no line below zero where it computes tax."""
    invoice = _draft(1000, 2000, -600, tenant=_tenant(country="DE"))
    stripe_provider.advance(invoice, now=NOW)
    assert finished(invoice), invoice.problem
    [theirs] = standin.invoices()
    assert sorted(line["amount"] for line in theirs["lines"]) == [800, 1600]
    assert (invoice.amount_minor, invoice.tax_minor) == (2856, 456)


def test_a_run_that_is_cut_off_after_the_tax_goes_on(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    invoice = _draft(1000, tenant=_tenant(country="DE"))
    standin.plan("commit_then_drop", path="/v1/invoices/*")
    stripe_provider.advance(invoice, now=NOW)
    assert (invoice.tax_minor, invoice.hosted_url) == (190, "")
    stripe_provider.advance(invoice, now=NOW + MINUTE)
    assert finished(invoice), invoice.problem
    assert Seller.objects.get().last_number == 1


def test_tax_that_changes_before_the_number_is_taken_over_again(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = _tenant(country="DE")
    invoice = _draft(1000, tenant=tenant)
    standin.plan("drop_before", method="GET", path="/v1/invoices/*/lines")
    stripe_provider.advance(invoice, now=NOW)
    set_billing_profile(tenant=tenant, country="LU")
    stripe_provider.advance(invoice, now=NOW + MINUTE)
    assert finished(invoice), invoice.problem
    assert invoice.tax_minor == 170


def test_tax_that_changes_behind_the_number_is_a_difference(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    tenant = _tenant(country="DE")
    invoice = _draft(1000, tenant=tenant)
    standin.plan("drop_before", path="/v1/invoices/*/finalize")
    stripe_provider.advance(invoice, now=NOW)
    assert invoice.number is not None
    set_billing_profile(tenant=tenant, country="LU")
    stripe_provider.advance(invoice, now=NOW + MINUTE)
    assert "total is 1170, ours is 1190" in invoice.problem
    assert not finished(invoice)


def test_a_bill_is_taxed_by_the_account_that_takes_it(
    operator_db: None, automatic: None
) -> None:
    tenant = _tenant()
    assert treatment_of(tenant=tenant, at=NOW).kind == AUTOMATIC
    with override_settings(BILLING_PROVIDER="offline"):
        assert treatment_of(tenant=tenant, at=NOW).kind == ""
    with override_settings(STRIPE_AUTOMATIC_TAX=False):
        assert treatment_of(tenant=tenant, at=NOW).kind == ""


def test_lines_with_computed_tax_are_made_again_to_the_byte(operator_db: None) -> None:
    invoice = closed_draft()
    before = invoice.lines_sha256
    for amount in (12, 34):
        write_computed(invoice, [_computed(amount)])
    invoice.refresh_from_db()
    assert rebuilt_lines(invoice).sha256 == invoice.lines_sha256 != before
    assert untaxed_sha256(invoice) == before
    assert (invoice.tax_minor, len(_taxes(invoice))) == (34, 1)


def test_an_issued_invoice_keeps_its_tax(operator_db: None) -> None:
    invoice = closed_draft()
    write_computed(invoice, [_computed(12)])
    issue_invoice(invoice=invoice, now=NOW)
    write_computed(invoice, [_computed(12)])
    with pytest.raises(Conflict):
        write_computed(invoice, [_computed(13)])
    assert [amount for _, amount in _taxes(invoice)] == [12]


def _computed(amount_minor: int) -> ComputedTax:
    return ComputedTax(
        rate="txr_1",
        name="VAT",
        percent="19",
        jurisdiction="DE country",
        reason="standard_rated",
        taxable_minor=1000,
        amount_minor=amount_minor,
        by="Stripe",
    )


@given(st.lists(st.integers(min_value=-5000, max_value=5000), max_size=30))
def test_lines_are_netted_exactly(amounts: list[int]) -> None:
    total = sum(amounts)
    if total < 0:
        return
    lines = net_lines(lines_of(Invoice(currency="USD"), amounts))
    assert sum(line.amount_minor for line in lines) == total
    assert all(line.amount_minor >= 0 for line in lines)
    assert [line.position for line in lines] == [
        place for place, amount in enumerate(amounts, 1) if amount >= 0
    ]
