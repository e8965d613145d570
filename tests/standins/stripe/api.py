"""The routes that the stand-in serves, each with the parameters it takes."""

from collections.abc import Callable

from stripe import params as sdk

from tests.standins.stripe import events, invoices, items
from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.hooks import routes as hook_routes
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import Operation, Route, RouteTable
from tests.standins.stripe.shapes import shown


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
    *events.ROUTES,
    *hook_routes.ROUTES,
)
TABLE = RouteTable(ROUTES)
