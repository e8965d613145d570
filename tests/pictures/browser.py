"""A browser that signs in and takes pictures.

Failure: a page that answers an error raises `PictureError`.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

from config.local.code import code_at
from tests.browser.chromium import launched

WIDTH, HEIGHT = 1280, 800


class PictureError(Exception):
    """A picture cannot be taken; the text is one line."""


class Browser:
    """A signed-in operator's browser."""

    def __init__(self, page: Page, folder: Path) -> None:
        self._page = page
        self._folder = folder

    def take(
        self,
        name: str,
        path: str,
        *,
        scheme: Literal["light", "dark"] = "light",
        height: int = HEIGHT,
        wait_for: str = "body",
        click: str = "",
    ) -> None:
        """Take a picture of a page once something on it is there, and clicked on."""
        self._page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        self._page.set_viewport_size({"width": WIDTH, "height": height})
        answer = self._page.goto(path, wait_until="networkidle")
        if answer is None or not answer.ok:
            status = answer.status if answer else "nothing"
            raise PictureError(f"{path} answers {status}")
        self._page.wait_for_selector(wait_for)
        if click:
            self._page.click(click)
        self._page.screenshot(path=self._folder / f"{name}.png", animations="disabled")

    def first_link(self, path: str, selector: str) -> str:
        """Return where the first link of a page leads that fits a selector."""
        self._page.goto(path)
        found = self._page.locator(selector)
        if not found.count():
            raise PictureError(f"{path} has no {selector}")
        target: str = found.first.get_attribute("href") or ""
        return target


@contextlib.contextmanager
def signed_in(
    url: str, *, user: str, password: str, totp_secret: str, folder: Path
) -> Iterator[Browser]:
    """Provide the browser of an operator who has signed in at `url`."""
    with launched() as chromium:
        page = chromium.new_page(base_url=url, locale="en-GB", timezone_id="UTC")
        page.goto("/admin/")
        page.fill("[name=login]", user)
        page.fill("[name=password]", password)
        page.click("main button[type=submit]")
        page.fill("[name=code]", code_at(totp_secret, time.time()))
        page.click("main button[type=submit] >> nth=0")
        page.wait_for_url("**/admin/")
        yield Browser(page, folder)
