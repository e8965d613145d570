"""The stand-in's pages, walked through as a person does: read, choose, press."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.visitor import Visitor
from tests.standins.stripe_world.scene import customer_with, opened
from tests.standins.webhook_receiver import Receiver, receiving

PAYS = "4242424242424242"
DECLINES = "4000000000000002"
ASKS = "4000002500003155"


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    with Visitor() as visitor:
        yield visitor


@pytest.fixture
def shop() -> Iterator[Receiver]:
    with receiving() as running:
        running.answer = b"<p>Welcome back</p>"
        yield running


def _open_invoice(client: stripe.StripeClient, **params: Any) -> stripe.Invoice:
    customer = customer_with(client, name="Acme <b>& Sons</b>")
    terms: Any = {"collection_method": "send_invoice", "days_until_due": 7}
    return opened(client, customer.id, 1200, 34, **terms, **params)


def _session(
    client: stripe.StripeClient, shop: Receiver, **params: Any
) -> stripe.checkout.Session:
    asked: Any = {
        "mode": "payment",
        "customer": client.v1.customers.create({"email": "a@acme.test"}).id,
        "success_url": shop.url(path="/done?of={CHECKOUT_SESSION_ID}"),
        "cancel_url": shop.url(path="/back"),
        **params,
    }
    if asked["mode"] == "payment":
        product = {"name": "Credit <20>"}
        price = {"currency": "usd", "unit_amount": 2000, "product_data": product}
        asked["line_items"] = [{"price_data": price, "quantity": 1}]
    return client.v1.checkout.sessions.create(asked)


def test_an_invoice_is_declined_then_paid(
    client: stripe.StripeClient, visitor: Visitor
) -> None:
    invoice = _open_invoice(client)
    visitor.open(invoice.hosted_invoice_url or "")
    assert "Acme <b>& Sons</b>" in visitor.text
    assert "Total 12.34 USD" in visitor.text
    visitor.press("Pay 12.34 USD", card=DECLINES)
    assert visitor.status == 402
    assert "Your card was declined." in visitor.text
    visitor.press("Pay 12.34 USD", card=PAYS)
    assert "This invoice has been paid." in visitor.text
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
    with pytest.raises(LookupError):
        visitor.press("Pay")


def test_what_a_payer_keeps_is_there(
    client: stripe.StripeClient, visitor: Visitor
) -> None:
    invoice = _open_invoice(client)
    visitor.open(invoice.hosted_invoice_url or "")
    visitor.press("Pay", card=PAYS).follow("Receipt")
    assert "card 4242" in visitor.text
    assert "Paid 12.34 USD" in " ".join(visitor.text.split())
    note: Any = {"invoice": invoice.id, "amount": 234, "out_of_band_amount": 234}
    papers = (invoice.invoice_pdf, client.v1.credit_notes.create(note).pdf)
    for address in papers:
        answer = httpx.get(address or "")
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF-")
    for address in papers:
        gone = httpx.get((address or "").replace("/pdf", "x/pdf"))
        assert gone.status_code == 404


@pytest.mark.parametrize(
    ("button", "status"), [("Confirm", "paid"), ("Refuse", "open")]
)
def test_the_bank_asks_before_an_invoice_is_paid(
    client: stripe.StripeClient, visitor: Visitor, button: str, status: str
) -> None:
    invoice = _open_invoice(client)
    visitor.open(invoice.hosted_invoice_url or "").press("Pay", card=ASKS)
    assert "Your bank asks" in visitor.text
    question = visitor.url
    visitor.press(button)
    assert visitor.url == invoice.hosted_invoice_url
    assert client.v1.invoices.retrieve(invoice.id).status == status
    assert visitor.open(question).status == 410


def test_a_checkout_is_paid_and_leads_back_to_the_shop(
    client: stripe.StripeClient, visitor: Visitor, shop: Receiver
) -> None:
    session = _session(client, shop)
    visitor.open(session.url or "")
    assert "Credit <20>" in visitor.text
    assert visitor.links["Go back without paying"] == shop.url(path="/back")
    visitor.press("Pay 20.00 USD", card=DECLINES)
    assert "Your card was declined." in visitor.text
    visitor.press("Pay", card=PAYS)
    assert visitor.url == shop.url(path=f"/done?of={session.id}")
    assert visitor.text == "Welcome back"
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
    assert visitor.open(session.url or "").status == 410


def test_a_checkout_that_the_bank_stops_can_be_tried_again(
    client: stripe.StripeClient, visitor: Visitor, shop: Receiver
) -> None:
    session = _session(client, shop)
    visitor.open(session.url or "").press("Pay", card=ASKS).press("Refuse")
    assert visitor.url == session.url
    visitor.press("Pay", card=ASKS).press("Confirm")
    assert visitor.text == "Welcome back"


def test_a_checkout_stores_a_card(
    client: stripe.StripeClient, visitor: Visitor, shop: Receiver
) -> None:
    session = _session(client, shop, mode="setup", currency="usd")
    visitor.open(session.url or "").press("Store this card", card=PAYS)
    assert visitor.text == "Welcome back"
    cards = client.v1.customers.payment_methods.list(str(session.customer)).data
    assert [row.card.last4 for row in cards if row.card] == ["4242"]


def test_cards_are_added_chosen_and_removed_in_the_portal(
    client: stripe.StripeClient, visitor: Visitor, shop: Receiver
) -> None:
    customer = customer_with(client)
    session = client.v1.billing_portal.sessions.create(
        {"customer": customer.id, "return_url": shop.url()}
    )

    def default() -> str | None:
        row = client.v1.customers.retrieve(customer.id)
        assert row.invoice_settings is not None
        return str(row.invoice_settings.default_payment_method)

    visitor.open(session.url).press("Add", card=PAYS)
    assert "Visa ending in 4242 Used for invoices" in visitor.text
    first = default()
    visitor.press("Add", card="5555555555554444")
    assert default() != first
    visitor.press("Use for invoices")
    assert default() == first
    visitor.press("Add", card=DECLINES)
    assert "Your card was declined." in visitor.text
    visitor.press("Add", card=ASKS).press("Confirm")
    assert "ending in 3155 Used for invoices" in visitor.text
    visitor.open(session.url)
    count = visitor.text.count("ending in")
    visitor.press("Remove")
    assert visitor.text.count("ending in") == count - 1
    assert visitor.follow("Go back").text == "Welcome back"


def test_the_way_in_shows_what_there_is(
    standin: StripeStandIn,
    client: stripe.StripeClient,
    visitor: Visitor,
    shop: Receiver,
) -> None:
    standin.add_webhook(shop.url(), events=["invoice.finalized"])
    invoice = _open_invoice(client)
    client.v1.invoices.create({"customer": str(invoice.customer)})
    _session(client, shop)
    standin.hooks.settle()
    visitor.open(standin.url)
    assert "invoice.finalized" in visitor.text
    assert visitor.links[invoice.number or ""] == invoice.hosted_invoice_url
    assert visitor.open("/invoice/none").status == 404
