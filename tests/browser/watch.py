"""A page that is watched while a person uses it: whatever goes wrong fails the test.

Wrong is: something blocked by the page's policy, a request to elsewhere, an error in
the console or of a script, an answer with an error that was not asked for, a page wider
than the screen, and what axe finds.
"""

from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
)

Scheme = Literal["light", "dark"]
_OURS = {"data", "blob", "about"}
# Below our own head the reference is drawn by a library.
OURS_ON = {"/api/v1/docs/": ".reference-top"}


@dataclass(frozen=True, slots=True)
class Look:
    """How a page is looked at: the screen's size, and light or dark."""

    name: str
    width: int
    height: int
    scheme: Scheme

    @property
    def is_phone(self) -> bool:
        """Tell whether the screen is one that is held in a hand."""
        return self.width < 500


WIDE_LIGHT = Look("wide-light", 1440, 900, "light")
WIDE_DARK = Look("wide-dark", 1440, 900, "dark")
PHONE_LIGHT = Look("phone-light", 390, 844, "light")
PHONE_DARK = Look("phone-dark", 390, 844, "dark")
LOOKS = (WIDE_LIGHT, WIDE_DARK, PHONE_LIGHT, PHONE_DARK)


@dataclass
class Watched:
    """A browser's page with all that went wrong on it so far."""

    page: Page
    origin: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin to watch."""
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self._fault(f"script: {error}"))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("response", self._answered)
        self.page.on("requestfailed", self._failed)

    def open(self, path: str, *, status: int = 200) -> Page:
        """Open a page that must answer with a status."""
        answer = self.page.goto(f"{self.origin}{path}", wait_until="load")
        assert answer is not None
        assert answer.status == status, f"{path} answers {answer.status}"
        return self.page

    def look(self, look: Look) -> None:
        """Look from now on through another screen."""
        self.page.emulate_media(color_scheme=look.scheme, reduced_motion="reduce")
        self.page.set_viewport_size({"width": look.width, "height": look.height})

    def check(self) -> None:
        """See that nothing went wrong, that the page fits, and that axe finds nothing.

        Raises `AssertionError` with all that did.
        """
        found = [*self.faults, *self.overflow(), *self.axe()]
        self.faults.clear()
        assert not found, f"{self.page.url}:\n" + "\n".join(found)

    def overflow(self) -> list[str]:
        """Return by how much the page is wider than the screen, and what sticks out."""
        wide: int = self.page.evaluate(
            "document.scrollingElement.scrollWidth - window.innerWidth"
        )
        if wide <= 0:
            return []
        culprits: list[str] = self.page.evaluate(
            """() => [...document.querySelectorAll("body *")].filter(
                each => each.getBoundingClientRect().right > window.innerWidth + 1
            ).slice(0, 5).map(each => each.outerHTML.slice(0, 120))"""
        )
        return [f"{wide} px wider than the screen", *culprits]

    def axe(self) -> list[str]:
        """Return what axe finds, a line for each element."""
        path = urlsplit(self.page.url).path
        options = {"resultTypes": ["violations"]}
        results: Any = Axe().run(self.page, context=OURS_ON.get(path), options=options)
        return [
            f"axe {broken['id']}: {node['html'][:200]}"
            for broken in results.response["violations"]
            for node in broken["nodes"]
        ]

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._fault(f"console: {message.text}")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _OURS and not url.startswith(f"{self.origin}/"):
            self._fault(f"request to elsewhere: {url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            self._fault(f"{response.url} answers {response.status}")

    def _failed(self, request: Request) -> None:
        # Leaving a page ends what it still asks for.
        if request.failure and "ERR_ABORTED" not in request.failure:
            self._fault(f"{request.url} fails: {request.failure}")

    def _fault(self, text: str) -> None:
        # A document that is asked for with an error is logged as one too.
        if "the server responded with a status of" not in text:
            self.faults.append(text)


def visit(browser: Browser, origin: str, *, session: str = "") -> Watched:
    """Open a window of its own; with a session's key it is that person's."""
    context: BrowserContext = browser.new_context(locale="en-GB", timezone_id="UTC")
    if session:
        context.add_cookies([{"name": "sessionid", "value": session, "url": origin}])
    context.set_default_timeout(60_000)
    return Watched(context.new_page(), origin)
