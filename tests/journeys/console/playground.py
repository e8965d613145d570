"""A member tries models: what the page says they cost is what their receipts say."""

import re

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.browser.watch import PHONE_DARK, WIDE_LIGHT, Watched
from tests.journeys.product import Product

PATIENCE_MS = 30_000
PLAYGROUND = "/console/demo/playground/"
MOST = re.compile(r"This message costs at most ([\d.]+) USD\.")


def figure(page: Page, name: str, *, pane: int = 0) -> Locator:
    """Return a figure below a conversation."""
    return page.locator(".pane").nth(pane).locator(f"[data-figure={name}]")


def ask(page: Page, message: str) -> None:
    """Write a message and send it by the keyboard."""
    page.get_by_label("Message", exact=True).fill(message)
    page.keyboard.press("Control+Enter")


def picos(text: str) -> int:
    """Return an amount such as `0.00123 USD` in picos."""
    whole, _, fraction = text.removesuffix(" USD").partition(".")
    return int(f"{whole}{fraction:0<12}")


def check(owner: Watched) -> None:
    """See that nothing went wrong, but that a new key is not known everywhere at once.

    The page asks again until the gateway takes it.
    """
    unknown = f"{owner.origin}/v1/chat/completions answers 401"
    owner.faults[:] = [fault for fault in owner.faults if fault != unknown]
    owner.check()


def test_an_answer_streams_and_costs_what_its_receipt_says(
    product: Product, owner: Watched
) -> None:
    page = owner.open(PLAYGROUND)
    page.get_by_label("Longest answer, tokens").fill("24")
    page.get_by_label("Message", exact=True).fill("Count to nine.")
    most = MOST.fullmatch(page.locator("#play-estimate").inner_text())
    assert most

    page.keyboard.press("Control+Enter")

    expect(figure(page, "state")).to_contain_text("complete", timeout=PATIENCE_MS)
    spend = figure(page, "spend").inner_text()
    assert 0 < picos(spend) <= picos(most[1])
    assert re.fullmatch(r"\d+ in, 24 out", figure(page, "tokens").inner_text())
    assert re.fullmatch(r"\d+ ms", figure(page, "first").inner_text())
    assert float(figure(page, "pace").inner_text()) > 0
    assert page.locator("#play-spend").inner_text() == spend
    check(owner)
    page.locator(".receipt").click()
    page.wait_for_url("**/requests/*/")
    exact = page.locator("#lines tfoot data").get_attribute("value")
    assert picos(exact or "") == picos(spend)
    assert "Playground (" in page.locator("#facts").inner_text()
    assert product.model in page.locator("#facts").inner_text()
    check(owner)


def pace(operator: httpx.Client, inter_token_ms: float) -> None:
    """Let the simulator take its time for each token."""
    (replica,) = operator.get("replicas/").json()["data"]
    settings = f"{replica['url']}/simulator/settings"
    told = httpx.post(
        settings, json={"inter_token_ms": inter_token_ms}, trust_env=False
    )
    assert told.is_success, told.text


def test_it_stops_compares_and_goes_on(
    product: Product, operator: httpx.Client, owner: Watched
) -> None:
    owner.look(PHONE_DARK)
    pace(operator, 20)
    page = owner.open(PLAYGROUND)
    page.get_by_label("Compare with").select_option(product.model)
    page.get_by_label("Longest answer, tokens").fill("4000")
    ask(page, "Write for as long as you can.")
    for pane in (0, 1):
        expect(figure(page, "tokens", pane=pane)).to_contain_text(
            "out", timeout=PATIENCE_MS
        )

    page.get_by_role("button", name="Stop").click()

    for pane in (0, 1):
        expect(figure(page, "state", pane=pane)).to_contain_text("stopped")
    check(owner)
    pace(operator, 0)
    page.get_by_label("Compare with").select_option("")
    page.get_by_label("Longest answer, tokens").fill("5")
    ask(page, "And now?")
    expect(figure(page, "state")).to_contain_text("complete", timeout=PATIENCE_MS)
    expect(page.locator(".turn.user")).to_have_count(2)
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".turn")).to_have_count(0)
    owner.look(WIDE_LIGHT)


def test_what_is_refused_is_said_and_can_be_sent_again(
    product: Product, owner: Watched
) -> None:
    page = owner.open(PLAYGROUND)
    page.get_by_label("Longest answer, tokens").fill("99999999")
    ask(page, "Hello?")

    expect(figure(page, "state")).to_contain_text("max_tokens", timeout=PATIENCE_MS)
    assert page.get_by_label("Message", exact=True).input_value() == "Hello?"
    # It was refused on purpose: what the browser says of that is no fault.
    owner.faults.clear()
    page.locator(".code summary").click()
    code = page.locator("#play-code")
    expect(code).to_contain_text(f"{product.base_url}/chat/completions")
    page.get_by_label("Language").select_option("python")
    expect(code).to_contain_text(f'base_url="{product.base_url}"')
    check(owner)


def test_nothing_of_it_is_kept(product: Product, owner: Watched) -> None:
    page = owner.open(PLAYGROUND)
    page.get_by_label("System prompt").fill("A rule to forget")
    with page.expect_request("**/playground/key/") as asked:
        ask(page, "A secret to forget")
    assert "to forget" not in (asked.value.post_data or "")
    expect(figure(page, "state")).to_contain_text("complete", timeout=PATIENCE_MS)
    held = page.evaluate("() => [localStorage.length, sessionStorage.length]")
    assert held == [0, 0]
    kept = page.content() + page.evaluate("() => document.cookie")
    assert not re.search(r"tg_[0-9A-Za-z]{20}", kept)
    page.reload()
    assert "A secret to forget" not in page.content()
