"""A key is rotated while both work, then revoked, and is stopped on every gateway."""

import httpx
from playwright.sync_api import expect

from tests.browser.watch import Watched
from tests.journeys.product import Product

NAME = "rotating"


def test_a_key_is_rotated_with_an_overlap_revoked_and_stopped(
    product: Product, owner: Watched
) -> None:
    page = owner.open("/console/demo/keys/new/")
    page.fill("[name=name]", NAME)
    page.get_by_role("button", name="Create the key").click()
    old = page.locator("#key").inner_text().strip()
    owner.check()
    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("link", name="Rotate", exact=True).click()
    page.select_option("[name=overlap_s]", "3600")
    page.get_by_role("button", name="Rotate", exact=True).click()
    expect(page.get_by_text("which it replaces, works until")).to_be_visible()
    new = page.locator("#key").inner_text().strip()

    assert new != old
    assert (called(product, old), called(product, new)) == (200, 200)

    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("link", name="Revoke this key").click()
    page.fill("[name=name]", NAME)
    page.get_by_role("button", name="Revoke it for good").click()
    stopped = page.locator(".progress")
    expect(stopped).to_contain_text("1 of 1 gateways", timeout=30_000)
    expect(stopped.locator(".badge")).to_have_text("stopped")
    # What the page says holds: there is no second in which it does not.
    assert called(product, new) == 401
    assert called(product, old) == 200
    owner.check()


def called(product: Product, key: str) -> int:
    """Ask which models there are with a key; return how that is answered."""
    answer = httpx.get(
        f"{product.base_url}/models",
        headers={"authorization": f"Bearer {key}"},
        trust_env=False,
    )
    return answer.status_code
