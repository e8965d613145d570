"""Invoice items and the lines they become on a draft."""

from typing import Any

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import invalid, missing, refused

ITEMS_MAX = 250
AMOUNT_MAX = 99_999_999
DESCRIPTION_CHARS_MAX = 500


def create_item(account: Account, params: Json) -> Json:
    """Add an invoice item, on a draft or waiting for the next one."""
    customer = account.customer(params.get("customer", ""), param="customer")
    reference = params.get("invoice")
    item = {
        "id": account.new_id("ii"),
        "object": "invoiceitem",
        "amount": _amount(params),
        "currency": params.get("currency", customer["currency"] or "usd"),
        "customer": customer["id"],
        "date": account.now(),
        "description": _description(params),
        "invoice": reference,
        "livemode": False,
        "metadata": merged({}, params.get("metadata")),
        "period": params.get("period")
        or {"start": account.now(), "end": account.now()},
        "quantity": params.get("quantity", 1),
    }
    if reference is None:
        account.pending_items[item["id"]] = item
    else:
        attach(account, draft(account, reference), [item])
    return item


def add_lines(account: Account, reference: str, params: Json) -> Json:
    """Put lines on a draft, all of them or none."""
    invoice = draft(account, reference)
    items = [_item_of_line(account, invoice, line) for line in params["lines"]]
    attach(account, invoice, items)
    invoice["metadata"] = merged(invoice["metadata"], params.get("invoice_metadata"))
    return invoice


def attach(account: Account, invoice: Json, items: list[Json]) -> None:
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
    invoice["subtotal"] = invoice["total"] = sum(line["amount"] for line in lines)
    invoice["amount_due"] = invoice["amount_remaining"] = max(0, invoice["total"])


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
    return {
        "id": account.new_id("ii"),
        "object": "invoiceitem",
        "amount": _amount(line),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "date": account.now(),
        "description": _description(line),
        "livemode": False,
        "metadata": merged({}, line.get("metadata")),
        "period": line.get("period") or {"start": account.now(), "end": account.now()},
        "quantity": line.get("quantity", 1),
    }


def _line(account: Account, invoice: Json, item: Json) -> Json:
    copied = ("amount", "currency", "description", "metadata", "period", "quantity")
    return {
        "id": account.new_id("il"),
        "object": "line_item",
        **{name: item[name] for name in copied},
        "invoice": invoice["id"],
        "livemode": False,
        "parent": {
            "type": "invoice_item_details",
            "invoice_item_details": {"invoice_item": item["id"], "proration": False},
            "subscription_item_details": None,
        },
        "subtotal": item["amount"],
    }


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
