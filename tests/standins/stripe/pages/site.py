"""Which page an address is, and what a form sent there does."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.engine import Engine
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.pages import (
    authentication,
    checkout,
    home,
    invoice,
    papers,
    portal,
)
from tests.standins.stripe.pages.layout import Page, Visit, message, said


@dataclass(frozen=True, slots=True)
class _Place:
    """A kind of page: whose it is, how it looks, and what its form does."""

    found: Callable[[Account, str], Json | None]
    show: Callable[[Visit], Page]
    act: Callable[[Visit], Page]


_PLACES = {
    "invoice": _Place(invoice.found, invoice.show, invoice.pay),
    "checkout": _Place(checkout.found, checkout.show, checkout.complete),
    "portal": _Place(portal.found, portal.show, portal.act),
    "authenticate": _Place(
        authentication.found, authentication.show, authentication.answer
    ),
}


def is_page(path: str) -> bool:
    """Tell whether people look at this address."""
    return path == "/" or path.split("/")[1] in _PLACES or papers.is_paper(path)


def answer(engine: Engine, method: str, path: str, body: str) -> Page:
    """Show a page, or do what its form asks."""
    if path == "/":
        return home.show(engine)
    if papers.is_paper(path):
        return _paper(engine, path)
    _, kind, name, *_ = [*path.split("/"), ""]
    place = _PLACES[kind]
    for merchant in engine.merchants.rows:
        with engine.opened(merchant.account) as account:
            row = place.found(account, name)
            if row is not None:
                visit = Visit(account, row["id"], dict(parse_qsl(body)))
                return _visited(place, visit, acts=method == "POST")
    return message(404, "There is no such page.")


def _paper(engine: Engine, path: str) -> Page:
    _, kind, *names = path.split("/")
    for merchant in engine.merchants.rows:
        with engine.opened(merchant.account) as account:
            found = papers.found(account, kind, *names)
            if found is not None:
                return found
    return papers.none()


def _visited(place: _Place, visit: Visit, *, acts: bool) -> Page:
    if not acts:
        return place.show(visit)
    try:
        return place.act(visit)
    except ApiError as error:
        page = place.show(replace(visit, problem=said(error)))
        return replace(page, status=max(page.status, error.status))
