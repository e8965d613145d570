"""`make up` with nothing given: a month is invoiced, paid in the browser, and shows it.

The stand-in of Stripe came up with the product. Nothing here speaks to it but the
product and a person at its pages; its webhooks come in through the public address.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.journeys.main_job import close_this_month
from tests.journeys.product import Product, running_product, said
from tests.standins.stripe.visitor import Visitor

pytestmark = pytest.mark.timeout(300)

TENANT = "demo"
PATIENCE_S = 60.0
PAYS, DECLINES = "4242424242424242", "4000000000000002"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    # As the caller of `make up` who says nothing about billing.
    with running_product(env={"BILLING_PROVIDER": ""}) as running:
        yield running


@pytest.fixture(scope="module")
def operator(product: Product) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {product.operator_token}"}
    base = f"{product.url}/api/v1/"
    with httpx.Client(base_url=base, headers=headers, trust_env=False) as client:
        yield client


def _asked(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()


def _until(product: Product, condition: Callable[[], Any]) -> Any:
    """Wait for something that the product brings about, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, said(product.state_dir)
        time.sleep(0.1)
    return found


def _make_dear(product: Product, operator: httpx.Client) -> None:
    """Publish prices at which a few calls are worth charging a card for."""
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=10)
    (book,) = _asked(operator.get("price-books/"))["data"]
    versions = f"price-books/{book['id']}/versions/"
    draft = _asked(
        operator.post(versions, json={"copy_from": 1, "effective_at": soon.isoformat()})
    )
    prices = [
        {**price, "input_per_million": "9000", "output_per_million": "90000"}
        for price in draft["prices"]
    ]
    for price in prices:
        price.pop("id"), price.pop("follows")
    version = f"{versions}{draft['number']}/"
    _asked(operator.put(f"{version}prices/", json={"prices": prices}))
    _asked(operator.post(f"{version}publish/", json={"drop": []}))
    _until(product, lambda: dt.datetime.now(dt.UTC) > soon + dt.timedelta(seconds=1))


def _call(product: Product) -> None:
    answer = httpx.post(
        f"{product.base_url}/chat/completions",
        headers={"authorization": f"Bearer {product.api_key}"},
        json={
            "model": product.model,
            "messages": [{"role": "user", "content": "Tell me something."}],
            "max_tokens": 64,
        },
        trust_env=False,
        timeout=30,
    )
    assert answer.is_success, answer.text


@pytest.fixture(scope="module")
def invoice(product: Product, operator: httpx.Client) -> Any:
    """Bill a month's use; credit that is bought before would pay for it."""
    _make_dear(product, operator)
    for _ in range(3):
        _call(product)
    closed = close_this_month(product, TENANT)
    (found,) = _asked(operator.get("invoices/"))["data"]
    assert found["public_id"] == closed["public_id"]
    return found


def test_a_month_is_invoiced_declined_paid_and_shown_as_paid(
    product: Product, operator: httpx.Client, invoice: Any
) -> None:
    page = f"{product.url}/console/{TENANT}/billing/invoices/{invoice['public_id']}/"
    with Visitor() as person:
        signed = {"login": product.console_user, "password": product.console_password}
        person.open(f"{product.url}/accounts/login/").press("Sign in", **signed)
        assert person.open(page).links["Pay this invoice"] == invoice["hosted_url"]
        person.open(person.links["Pay this invoice"])
        assert person.url.startswith(product.env["STRIPE_API_BASE"])
        assert f"Invoice {invoice['number']}" in person.text
        person.press("Pay", card=DECLINES)
        assert "Your card was declined." in person.text
        person.press("Pay", card=PAYS)
        assert "This invoice has been paid." in person.text
    standing = f"invoices/{invoice['id']}/standing/"
    paid = _until(
        product,
        lambda: (row := _asked(operator.get(standing)))["state"] == "paid" and row,
    )
    assert paid["open_minor"] == 0
    with Visitor() as person:
        person.open(f"{product.url}/accounts/login/").press("Sign in", **signed)
        assert "Pay this invoice" not in person.open(page).links
    (payment,) = _asked(operator.get(f"payments/?invoice={invoice['id']}"))["data"]
    assert payment["reference"].startswith("stripe pi_")
    assert payment["amount_minor"] == invoice["amount_minor"]


def test_credit_is_bought_on_a_page_and_can_be_used(
    product: Product, operator: httpx.Client, invoice: Any
) -> None:
    [tenant] = [
        row["id"]
        for row in _asked(operator.get("tenants/"))["data"]
        if row["slug"] == TENANT
    ]
    wallet = f"ledger/wallet/?tenant={tenant}"
    before = int(_asked(operator.get(wallet))["available_picos"])
    wanted = {"tenant": tenant, "amount_minor": 2_500}
    asked = _asked(operator.post("checkouts/", json=wanted))
    checkout = f"checkouts/{asked['id']}/"
    page = _until(product, lambda: _asked(operator.get(checkout))["url"])
    with Visitor(stays_at=product.env["STRIPE_API_BASE"]) as person:
        person.open(page).press("Pay", card=DECLINES)
        assert "Your card was declined." in person.text
        person.press("Pay", card=PAYS)
    bought = _until(
        product,
        lambda: (row := _asked(operator.get(checkout)))["state"] == "paid" and row,
    )
    after = int(_asked(operator.get(wallet))["available_picos"])
    assert after - before == bought["amount_minor"] * 10**10
    (newest, *_) = _asked(operator.get("invoices/"))["data"]
    assert newest["state"] == "paid"
    assert newest["amount_minor"] == bought["total_minor"]
    # The card that was paid with is kept, for what rules will buy.
    # Stripe tells of it beside the payment, and may do so later.
    address = f"payment-methods/?tenant={tenant}"
    methods = _until(product, lambda: _asked(operator.get(address))["data"])
    assert [each["last4"] for each in methods] == [PAYS[-4:]]
