"""What a browser would send of a form, read from the page."""

from html.parser import HTMLParser
from typing import Any


def fields_of(response: Any) -> dict[str, str]:
    """Return the values that the forms of a page hold, by name."""
    found = _Fields()
    found.feed(response.content.decode())
    return found.values


def _is_sent(kind: str | None, *, ticked: bool) -> bool:
    return ticked if kind == "checkbox" else kind not in {"submit", "button"}


class _Fields(HTMLParser):
    """Inputs, choices and texts, but no buttons and no box that is not ticked."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._choosing, self._writing = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, kind = given.get("name") or "", given.get("type")
        if tag == "select":
            self._choosing = name
        elif tag == "textarea":
            self._writing = name
            self.values[name] = ""
        elif tag == "option" and self._choosing and "selected" in given:
            self.values[self._choosing] = given.get("value") or ""
        elif tag == "input" and name and _is_sent(kind, ticked="checked" in given):
            self.values[name] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._choosing = ""
        elif tag == "textarea":
            self._writing = ""

    def handle_data(self, data: str) -> None:
        if self._writing:
            self.values[self._writing] += data
