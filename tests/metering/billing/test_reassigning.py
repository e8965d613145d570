"""A draft that its provider cannot take is issued here, once a person says so."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from kit.errors import Conflict
from metering.billing.driving import sole_driver
from metering.billing.models import Invoice, ProviderOperation
from metering.billing.outbox import undone
from metering.billing.providers.stripe.leaving import delete_left_drafts
from metering.billing.providers.stripe.provider import StripeProvider
from metering.billing.services import advance_invoice, issue_here
from metering.receivables.services import Wanted, issue_credit_note
from tenants.models import AuditEntry
from tests.admin import action, confirm, page, signed_in, words
from tests.metering.billing.providers.scene import MINUTE, NOW, make_draft
from tests.standins.stripe import StripeStandIn

TOO_MUCH = 100_000_000
AUTOMATIC = {"tax": {"kind": "automatic", "note": "", "rates": []}}


@pytest.fixture
def standin(settings: Settings, operator_db: None) -> Iterator[StripeStandIn]:
    """Provide a Stripe that is one of ours."""
    with StripeStandIn() as running:
        settings.STRIPE_API_KEY = "sk_test_any"
        settings.STRIPE_API_BASE = running.url
        yield running


def drafted(standin: StripeStandIn) -> Invoice:
    """Return a draft that Stripe has too, and holds."""
    invoice = make_draft(1000, provider="stripe")
    # Whatever the SDK tries again itself.
    for nth in (1, 2, 3):
        path = "/v1/invoices/*/lines"
        standin.plan("drop_before", method="GET", path=path, nth=nth)
    StripeProvider().advance(invoice, now=NOW)
    Invoice.objects.filter(pk=invoice.pk).update(problem="It differs.", tries=4)
    invoice.refresh_from_db()
    assert (len(standin.invoices()), invoice.number) == (1, None)
    return invoice


def test_what_is_too_much_for_it_is_issued_here(standin: StripeStandIn) -> None:
    invoice = make_draft(TOO_MUCH, provider="stripe")
    StripeProvider().advance(invoice, now=NOW)
    assert invoice.problem
    issue_here(invoice=invoice, now=NOW)
    found = advance_invoice(invoice=Invoice.objects.get(), now=NOW)
    assert (found.provider, found.problem, found.amount_minor) == (
        "offline",
        "",
        TOO_MUCH,
    )
    assert found.number
    assert "/finance/invoices/" in found.hosted_url
    assert standin.invoices() == []
    # Its provider was about to drive it.
    StripeProvider().advance(invoice, now=NOW)
    assert standin.invoices() == []


@pytest.mark.parametrize("fault", ["", "drop_before", "commit_then_drop"])
def test_a_draft_that_was_made_there_is_deleted(
    standin: StripeStandIn, fault: str
) -> None:
    invoice = drafted(standin)
    issue_here(invoice=invoice, now=NOW)
    assert Invoice.objects.get().provider_reference == ""
    for nth in (1, 2, 3) if fault else ():
        standin.plan(fault, method="DELETE", path="/v1/invoices/*", nth=nth)
    for minutes in (0, 2, 4):
        delete_left_drafts(now=NOW + minutes * MINUTE)
    assert (standin.invoices(), undone().count()) == ([], 0)
    assert delete_left_drafts(now=NOW + 9 * MINUTE) == 0


def test_one_that_somebody_opened_there_is_left_to_people(
    standin: StripeStandIn,
) -> None:
    invoice = drafted(standin)
    reference = invoice.provider_reference
    issue_here(invoice=invoice, now=NOW)
    standin.engine.account.invoices[reference]["status"] = "open"
    for hours in range(60):
        delete_left_drafts(now=NOW + hours * 60 * MINUTE)
    row = ProviderOperation.objects.filter(name="delete_draft").latest("attempt")
    assert (row.state, row.subject) == ("parked", reference)


def test_what_was_refused_about_it_is_asked_no_more(standin: StripeStandIn) -> None:
    invoice = drafted(standin)
    ProviderOperation.objects.create(
        tenant=invoice.tenant,
        invoice=invoice,
        provider="stripe",
        name="lines",
        subject=f"{invoice.provider_reference}/0",
        attempt=9,
        refusals=10,
        state="parked",
        created_at=NOW,
    )
    issue_here(invoice=invoice, now=NOW)
    assert [row.name for row in undone()] == ["delete_draft"]


def test_one_that_is_issued_in_doubt_or_driven_stays(standin: StripeStandIn) -> None:
    here = make_draft(100, provider="offline")
    with pytest.raises(Conflict, match="issues it already"):
        issue_here(invoice=here, now=NOW)
    with pytest.raises(Conflict, match="is issued"):
        issue_here(invoice=advance_invoice(invoice=here, now=NOW), now=NOW)
    doubtful = make_draft(100, provider="stripe")
    for nth in (1, 2, 3):
        standin.plan("drop_before", method="POST", path="/v1/invoices", nth=nth)
    StripeProvider().advance(doubtful, now=NOW)
    with pytest.raises(Conflict, match="has not said what became"):
        issue_here(invoice=doubtful, now=NOW)
    driven = make_draft(100, provider="stripe")
    with (
        sole_driver(provider="stripe", tenant_id=driven.tenant_id),
        pytest.raises(Conflict, match="at it right now"),
    ):
        issue_here(invoice=driven, now=NOW)
    assert set(
        Invoice.objects.exclude(pk=here.pk).values_list("provider", flat=True)
    ) == {"stripe"}


def test_one_that_waits_for_its_tax_stays_and_one_that_has_it_is_noted_here(
    standin: StripeStandIn,
) -> None:
    invoice = make_draft(1000, provider="stripe")
    Invoice.objects.filter(pk=invoice.pk).update(basis=AUTOMATIC)
    with pytest.raises(Conflict, match="Its tax is computed"):
        issue_here(invoice=invoice, now=NOW)
    # It came out as none.
    Invoice.objects.filter(pk=invoice.pk).update(
        basis=AUTOMATIC | {"computed_taxes": []}
    )
    issue_here(invoice=invoice, now=NOW)
    found = advance_invoice(invoice=Invoice.objects.get(), now=NOW)
    note = issue_credit_note(
        invoice=found, wanted=Wanted("Wrong.", "ticket", {1: 400}), now=NOW
    )
    assert note.amount_minor == 400


def test_an_operator_finds_it_on_the_page_of_a_held_draft(
    standin: StripeStandIn,
) -> None:
    invoice = make_draft(TOO_MUCH, provider="stripe")
    StripeProvider().advance(invoice, now=NOW)
    admin = signed_in()
    address = page("billing_invoice", "change", invoice.pk)
    assert "Issue here" in words(admin.get(address).content)
    confirm(admin, action("billing_invoice", "issue_here", invoice.pk))
    assert Invoice.objects.get().provider == "offline"
    entry = AuditEntry.objects.get(action="issue_here")
    assert entry.before["provider"] == "stripe"
    assert "Issue here" not in words(admin.get(address).content)
