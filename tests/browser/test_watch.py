"""What the watch must see, it sees: each fault on a page made for it."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Route

from pages.access import POLICY
from tests.browser.watch import PHONE_LIGHT, Watched, visit

ORIGIN = "http://127.0.0.1:9"
WHOLE = (
    "<!doctype html><html lang=en><title>A page</title><main><h1>A page</h1>{}</main>"
)


def page_of(browser: Browser, body: str, **more: Any) -> Watched:
    """Open a page with this body under our policy."""
    watched = visit(browser, ORIGIN)
    headers = {"content-security-policy": POLICY, "content-type": "text/html"}

    def answer(route: Route) -> None:
        route.fulfill(body=WHOLE.format(body), headers=headers)

    watched.page.route(f"{ORIGIN}/", answer)
    watched.page.route("**/missing.svg", lambda route: route.fulfill(status=404))
    watched.look(PHONE_LIGHT)
    watched.open("/")
    return watched


def test_a_page_with_nothing_wrong_passes(browser: Browser) -> None:
    page_of(browser, "<p>All is well.</p>").check()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<script>document.title = 'x'</script>", "Content Security Policy"),
        ("<p style='color: red'>red</p>", "Content Security Policy"),
        ("<img src='https://elsewhere.example/x.png' alt=''>", "elsewhere"),
        ("<img src='/missing.svg' alt=''>", "answers 404"),
        ("<table width=900><tr><td>wide</table>", "wider than the screen"),
        ("<img src='data:,' alt>", "Content Security Policy"),
        ("<input>", "axe label"),
    ],
)
def test_each_fault_is_found(browser: Browser, body: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        page_of(browser, body).check()
