"""A person at the stand-in's pages: reads, chooses a card, presses a button.

It follows redirects as a browser does, and sends only what the page's forms offer, so
that a field or button that is missing is missed.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx


@dataclass(slots=True)
class Form:
    """A form of a page: its fixed values, its choices, its buttons."""

    values: dict[str, str] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    # By what is written on them: the name and value that they send.
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


class Visitor:
    """One browser window; use it as a context manager."""

    def __init__(self, *, stays_at: str = "") -> None:
        # Where it leads away from there, its address is noted and nothing is opened.
        self._stays_at = stays_at
        self._client = httpx.Client(timeout=20)
        self.url = ""
        self.status = 0
        self.text = ""
        self.links: dict[str, str] = {}
        self._forms: list[Form] = []

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def open(self, url: str) -> "Visitor":
        """Go to an address."""
        return self._read(self._client.get(urljoin(self.url, url)))

    def press(self, label: str, **fields: str) -> "Visitor":
        """Press the first button whose label begins so, with fields filled in.

        Raises `LookupError` when the page has no such button, field or choice.
        """
        form, (name, value) = self._button(label)
        sent = dict(form.values)
        for key, given in fields.items():
            if given not in form.options.get(key, [given]):
                raise LookupError(f"{key} cannot be {given}")
            if key not in form.options and key not in form.inputs:
                raise LookupError(f"there is no field {key}")
            sent[key] = given
        if name:
            sent[name] = value
        return self._read(self._client.post(self.url, data=sent))

    def follow(self, label: str) -> "Visitor":
        """Follow a link by what is written on it."""
        return self.open(self.links[label])

    def _button(self, label: str) -> tuple[Form, tuple[str, str]]:
        for form in self._forms:
            for written, sends in form.buttons.items():
                if written.startswith(label):
                    return form, sends
        raise LookupError(f"no button {label!r} at {self.url}: {self.text}")

    def _read(self, answer: httpx.Response) -> "Visitor":
        while (onward := answer.next_request) is not None:
            if not str(onward.url).startswith(self._stays_at):
                self.url, self.status, self.text = str(onward.url), 0, ""
                return self
            answer = self._client.send(onward)
        reader = _Reader()
        reader.feed(answer.text)
        self.url, self.status = str(answer.url), answer.status_code
        self.text = " ".join(" ".join(reader.words).split())
        self.links, self._forms = reader.links, reader.forms
        return self


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: dict[str, str] = {}
        self.forms: list[Form] = []
        self._select = ""
        self._inside: tuple[str, dict[str, str]] | None = None
        self._label = ""

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form())
        elif tag == "select":
            self._select = given["name"]
            self.forms[-1].options[self._select] = []
        elif tag == "option":
            options = self.forms[-1].options[self._select]
            if not options:
                self.forms[-1].values[self._select] = given["value"]
            options.append(given["value"])
        elif tag == "input" and given.get("type") == "hidden":
            self.forms[-1].values[given["name"]] = given["value"]
        elif tag == "input":
            self.forms[-1].inputs.append(given["name"])
        if tag in ("button", "a", "style"):
            self._inside, self._label = (tag, given), ""

    def handle_endtag(self, tag: str) -> None:
        if self._inside is None or self._inside[0] != tag:
            return
        given, label = self._inside[1], self._label.strip()
        if tag == "button":
            sends = given.get("name", ""), given.get("value", "")
            self.forms[-1].buttons[label] = sends
        elif tag == "a":
            self.links[label] = given["href"]
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is None:
            self.words.append(data)
            return
        self._label += data
        if self._inside[0] != "style":
            self.words.append(data)
