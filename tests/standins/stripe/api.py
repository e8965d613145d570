"""The routes that the stand-in serves, each with the parameters it takes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stripe import params as sdk

from tests.standins.stripe import invoices, items
from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.contract import checked
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.lists import page

LINES_SHOWN = 10
Operation = Callable[[Account, dict[str, str], Json], Json]


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path, the SDK's type of its parameters, and what it does."""

    method: str
    path: str
    declared: type[Any]
    operation: Operation

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the path's named parts when the route serves this request."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, path) if method == self.method else None
        return found.groupdict() if found else None


@dataclass(frozen=True, slots=True)
class Call:
    """A routed request whose parameters were checked, ready to run."""

    route: Route
    parts: dict[str, str]
    params: Json

    def run(self, account: Account) -> Json:
        """Do what was asked."""
        return self.route.operation(account, self.parts, self.params)


def routed(method: str, path: str, params: Json) -> Call:
    """Find the route and check the parameters, before anything runs.

    Raises `ApiError`, which no idempotency key remembers.
    """
    for route in ROUTES:
        parts = route.match(method, path)
        if parts is not None:
            return Call(route, parts, checked(params, route.declared))
    raise ApiError(404, f"Unrecognized request URL ({method}: {path}).", stored=False)


def shown(account: Account, invoice: Json) -> Json:
    """Return an invoice as the API shows it, with its first lines."""
    if "deleted" in invoice:
        return invoice
    reference = invoice["id"]
    url = f"/v1/invoices/{reference}/lines"
    lines = page(account.lines[reference], {"limit": LINES_SHOWN}, url=url)
    return {**invoice, "lines": lines}


def _customers(account: Account, _: dict[str, str], params: Json) -> Json:
    return page(account.list_customers(params), params, url="/v1/customers")


def _invoices(account: Account, _: dict[str, str], params: Json) -> Json:
    rows = [shown(account, row) for row in invoices.listed(account, params)]
    return page(rows, params, url="/v1/invoices")


def _lines(account: Account, parts: dict[str, str], params: Json) -> Json:
    reference = invoices.retrieve(account, parts["id"])["id"]
    return page(account.lines[reference], params, url=f"/v1/invoices/{reference}/lines")


def _on_invoice(operation: Callable[..., Json]) -> Operation:
    def run(account: Account, parts: dict[str, str], params: Json) -> Json:
        return shown(account, operation(account, parts["id"], params))

    return run


def _on_invoice_alone(operation: Callable[[Account, str], Json]) -> Operation:
    return _on_invoice(lambda account, reference, _: operation(account, reference))


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/customers",
        sdk.CustomerCreateParams,
        lambda a, _, p: a.create_customer(p),
    ),
    Route("GET", "/v1/customers", sdk.CustomerListParams, _customers),
    Route(
        "GET",
        "/v1/customers/{id}",
        sdk.CustomerRetrieveParams,
        lambda a, parts, _: a.customer(parts["id"]),
    ),
    Route(
        "POST",
        "/v1/invoices",
        sdk.InvoiceCreateParams,
        lambda a, _, p: shown(a, invoices.create(a, p)),
    ),
    Route("GET", "/v1/invoices", sdk.InvoiceListParams, _invoices),
    Route(
        "GET",
        "/v1/invoices/{id}",
        sdk.InvoiceRetrieveParams,
        _on_invoice_alone(invoices.retrieve),
    ),
    Route(
        "POST",
        "/v1/invoices/{id}",
        sdk.InvoiceUpdateParams,
        _on_invoice(invoices.update),
    ),
    Route(
        "DELETE",
        "/v1/invoices/{id}",
        sdk.InvoiceDeleteParams,
        _on_invoice_alone(invoices.delete),
    ),
    Route("GET", "/v1/invoices/{id}/lines", sdk.InvoiceLineItemListParams, _lines),
    Route(
        "POST",
        "/v1/invoices/{id}/add_lines",
        sdk.InvoiceAddLinesParams,
        _on_invoice(items.add_lines),
    ),
    Route(
        "POST",
        "/v1/invoices/{id}/finalize",
        sdk.InvoiceFinalizeInvoiceParams,
        _on_invoice(invoices.finalise),
    ),
    Route(
        "POST",
        "/v1/invoices/{id}/void",
        sdk.InvoiceVoidInvoiceParams,
        _on_invoice_alone(invoices.void),
    ),
    Route(
        "POST", "/v1/invoices/{id}/pay", sdk.InvoicePayParams, _on_invoice(invoices.pay)
    ),
    Route(
        "POST",
        "/v1/invoiceitems",
        sdk.InvoiceItemCreateParams,
        lambda a, _, p: items.create_item(a, p),
    ),
)
