"""Somebody new is invited, makes a key, calls, and sees the call arrive."""

import re
from collections.abc import Callable
from typing import Any

import httpx
from playwright.sync_api import expect

from tests.browser.watch import Watched
from tests.journeys.console.conftest import Mailbox
from tests.journeys.product import Product

ADDRESS = "new@acme.example"
LINK = re.compile(r"http://\S+(/accounts/invitation/\S+)")


def test_from_an_invitation_to_the_first_streamed_answer(
    product: Product,
    operator: httpx.Client,
    mailbox: Mailbox,
    guest: Watched,
    until: Callable[[Callable[[], Any]], Any],
) -> None:
    tenant = operator.post("tenants/", json={"slug": "acme", "name": "Acme"}).json()
    invited = operator.post(
        "invitations/",
        json={"tenant": tenant["id"], "email": ADDRESS, "role": "owner"},
    )
    assert invited.is_success, invited.text
    (mail,) = until(lambda: mailbox.texts_to(ADDRESS))
    found = LINK.search(mail)
    assert found

    page = guest.open(found[1])
    page.fill("[name=name]", "Ada")
    page.fill("[name=password]", "a long enough password")
    page.click("main button[type=submit]")
    page.wait_for_url("**/console/acme/")
    page.get_by_role("link", name="Make the first call").click()
    page.get_by_role("link", name="Make an API key").click()
    page.fill("[name=name]", "first")
    page.get_by_role("button", name="Create the key").click()
    key = page.locator("#key").inner_text().strip()
    guest.check()
    page.get_by_role("link", name="First call").first.click()
    waiting = page.get_by_text("Waiting for your request")
    expect(waiting).to_be_visible()
    copied = page.locator("pre#curl").inner_text()
    assert f"{product.base_url}/chat/completions" in copied

    pieces = _stream(product, key)

    assert pieces > 1
    expect(page.get_by_text("Your request has arrived")).to_be_visible(timeout=30_000)
    guest.check()


def _stream(product: Product, key: str) -> int:
    """Call as the copied text does; return in how many pieces the answer came."""
    asked = {
        "model": product.model,
        "stream": True,
        "messages": [{"role": "user", "content": "What does one token cost?"}],
    }
    with httpx.stream(
        "POST",
        f"{product.base_url}/chat/completions",
        headers={"authorization": f"Bearer {key}"},
        json=asked,
        trust_env=False,
        timeout=30,
    ) as answer:
        assert answer.is_success, answer.read()
        return sum(line.startswith("data: {") for line in answer.iter_lines())
