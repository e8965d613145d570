"""Invoice items and the lines they become on a draft."""

from typing import Any

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import invalid, missing, refused
from tests.standins.stripe.routes import Route, on_account, on_object
from tests.standins.stripe.world import totals
from tests.standins.stripe.world.amounts import CHARGE_MAX as AMOUNT_MAX
from tests.standins.stripe.world.objects import changed, heed, made

ITEMS_MAX = 250
DESCRIPTION_CHARS_MAX = 500
_LINE = "amount description discountable metadata period quantity"


def create_item(account: Account, params: Json) -> Json:
    """Add an invoice item, on a draft or waiting for the next one."""
    heed(params, f"{_LINE} currency customer invoice")
    customer = account.customer(params.get("customer", ""), param="customer")
    currency = str(params.get("currency") or customer["currency"] or "usd").lower()
    item = _item(account, params, currency=currency, customer=customer["id"])
    if params.get("invoice") is None:
        account.pending_items[item["id"]] = item
    else:
        attach(account, draft(account, params["invoice"]), [item])
    account.emit("invoiceitem.created", item)
    return item


def add_lines(account: Account, reference: str, params: Json) -> Json:
    """Put lines on a draft, all of them or none."""
    heed(params, "lines invoice_metadata")
    invoice = draft(account, reference)
    items = [_item_of_line(account, invoice, line) for line in params["lines"]]
    metadata = merged(invoice["metadata"], params.get("invoice_metadata"))
    previous = changed(invoice, metadata=metadata)
    attach(account, invoice, items, previous=previous)
    return invoice


def attach(
    account: Account,
    invoice: Json,
    items: list[Json],
    *,
    previous: Json | None = None,
    says_so: bool = True,
) -> None:
    """Turn items into lines of a draft and add them up."""
    lines = account.lines[invoice["id"]]
    if len(lines) + len(items) > ITEMS_MAX:
        raise refused(f"An invoice can have at most {ITEMS_MAX} items.", param="lines")
    for item in items:
        if item["currency"] != invoice["currency"]:
            raise refused("The item's currency is not the invoice's.", param="currency")
    for item in items:
        account.pending_items.pop(item["id"], None)
        item["invoice"] = invoice["id"]
        lines.append(_line(account, invoice, item))
    was = {**(previous or {}), **totals.add_up(account, invoice)}
    if says_so:
        account.emit("invoice.updated", invoice, previous=was)


def draft(account: Account, reference: str) -> Json:
    """Return a draft invoice; what is finalised cannot be edited."""
    invoice = account.invoices.get(reference)
    if invoice is None:
        raise missing("invoice", reference, param="invoice")
    if invoice["status"] != "draft":
        raise refused(
            "Finalized invoices can't be updated in this way.",
            code="invoice_not_editable",
        )
    return invoice


def _item_of_line(account: Account, invoice: Json, line: Json) -> Json:
    if "invoice_item" in line:
        item = account.pending_items.get(line["invoice_item"])
        if item is None:
            raise missing("invoiceitem", line["invoice_item"], param="invoice_item")
        return item
    heed(line, _LINE)
    of = {name: invoice[name] for name in ("currency", "customer")}
    return _item(account, line, **of)


def _item(account: Account, given: Json, **fields: Any) -> Json:
    now = account.now()
    amount, quantity = _amount(given), given.get("quantity", 1)
    return made(
        account,
        "invoiceitem",
        amount=amount,
        date=now,
        description=_description(given),
        discountable=given.get("discountable", True),
        metadata=merged({}, given.get("metadata")),
        net_amount=amount,
        period=given.get("period") or {"start": now, "end": now},
        pricing=_pricing(amount, quantity),
        proration=False,
        quantity=quantity,
        quantity_decimal=str(quantity),
        **fields,
    )


def _line(account: Account, invoice: Json, item: Json) -> Json:
    copied = ("amount", "currency", "description", "discountable", "metadata")
    more = ("period", "pricing", "quantity", "quantity_decimal")
    details = {"invoice_item": item["id"], "proration": False, "subscription": None}
    return made(
        account,
        "line_item",
        **{name: item[name] for name in (*copied, *more)},
        invoice=invoice["id"],
        parent={
            "type": "invoice_item_details",
            "invoice_item_details": {**details, "proration_details": None},
            "subscription_item_details": None,
        },
        subtotal=item["amount"],
    )


def _pricing(amount: int, quantity: int) -> Json | None:
    if not quantity or amount % quantity:
        return None
    return {"type": "price_details", "unit_amount_decimal": str(amount // quantity)}


def _amount(params: Json) -> int:
    if "amount" not in params:
        raise invalid("This stand-in takes lines by `amount` only.", param="amount")
    amount: Any = params["amount"]
    if abs(amount) > AMOUNT_MAX:
        raise invalid(
            "Amount must be no more than 999,999.99.", code="amount_too_large"
        )
    return int(amount)


def _description(params: Json) -> str | None:
    text: str | None = params.get("description")
    if text is not None and len(text) > DESCRIPTION_CHARS_MAX:
        raise invalid("The description is too long.", param="description")
    return text


ROUTES = (
    Route(
        "POST", "/v1/invoiceitems", sdk.InvoiceItemCreateParams, on_account(create_item)
    ),
    Route(
        "POST",
        "/v1/invoices/{id}/add_lines",
        sdk.InvoiceAddLinesParams,
        on_object(add_lines),
    ),
)
