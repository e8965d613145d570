"""Drive the admin as a signed-in operator, the way a browser does."""

from html.parser import HTMLParser
from typing import Any

from django.test import Client
from django.urls import reverse

# Nothing is collected into the static folder before a first start, and that is right.


def signed_in() -> Client:
    """Return a client whose session is a superuser's, the second factor shown."""
    # Models can be imported once Django is set up; a command imports this before.
    from tests.factories.accounts import make_operator, sign_in  # noqa: PLC0415

    client = Client(raise_request_exception=True)
    return sign_in(client, make_operator())


def page(model: str, name: str, *args: Any) -> str:
    """Return the address of a model's page, e.g. `page("tenants_tenant", "add")`."""
    return reverse(f"admin:{model}_{name}", args=args)


def action(model: str, name: str, object_id: int) -> str:
    """Return the address of an action on one row."""
    return reverse(f"admin:{model}_{name}", args=(object_id,))


def submit(client: Client, address: str, values: dict[str, Any]) -> Any:
    """Fill in a change form: what the page holds already, but for these values."""
    fields = _Fields()
    fields.feed(client.get(address).content.decode())
    return client.post(address, {**fields.found, **values})


def confirm(client: Client, address: str, **said: str) -> Any:
    """Submit an action's dialog, with what it asks for."""
    return client.post(address, {"_form_submitted": "True", **said})


class _Fields(HTMLParser):
    """The inputs of the page's form, but not its buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name")
        if tag == "input" and name and given.get("type") not in {"submit", "checkbox"}:
            self.found[name] = given.get("value") or ""


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def words(content: bytes) -> str:
    """Return the text of a page, its spaces made single."""
    parser = _Words()
    parser.feed(content.decode())
    return " ".join(" ".join(parser.words).split())
