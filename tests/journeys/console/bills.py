"""A tenant's bills: where they go, and credit paid for on the provider's page."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.watch import Watched
from tests.journeys.console.conftest import Mailbox
from tests.journeys.product import Product
from tests.standins.stripe.visitor import Visitor

PATIENCE_MS = 60_000
BOOKS = "books@customer.example"
PAYS = "4242424242424242"
BILLING = "/console/demo/billing/"


def test_credit_is_paid_for_on_the_providers_page_and_a_receipt_comes(
    product: Product,
    owner: Watched,
    mailbox: Mailbox,
    until: Callable[[Callable[[], Any]], Any],
) -> None:
    page = owner.open(f"{BILLING}details/")
    page.get_by_label("Another e-mail address").fill(BOOKS)
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_text("no answer yet")).to_be_visible()
    (asked,) = until(lambda: mailbox.texts_to(BOOKS))
    (link,) = re.findall(r"/accounts/billing-address/\S+", asked)
    page = owner.open(link)
    page.get_by_role("button", name="Yes, send them here").click()
    expect(page.get_by_role("status")).to_contain_text(BOOKS)

    page = owner.open(f"{BILLING}top-up/")
    page.get_by_label("Credit to add, USD").fill("25")
    page.get_by_role("button", name="Ask for it").click()
    pay = page.get_by_role("link", name=re.compile("^Pay "))
    expect(pay).to_be_visible(timeout=PATIENCE_MS)
    leads_to = pay.get_attribute("href") or ""
    assert leads_to.startswith(product.env["STRIPE_API_BASE"])
    with Visitor(stays_at=product.env["STRIPE_API_BASE"]) as person:
        person.open(leads_to).press("Pay", card=PAYS)

    there = page.get_by_text("Paid: your credit is there.")
    expect(there).to_be_visible(timeout=PATIENCE_MS)
    owner.check()
    page = owner.open(f"{BILLING}invoices/")
    expect(page.locator("#invoices tbody tr").first).to_contain_text("paid")
    receipts = until(lambda: mailbox.texts_to(BOOKS)[1:])
    assert "25.00 USD received. Thank you." in receipts[0]
    assert "The credit is there and can be used." in receipts[0]
