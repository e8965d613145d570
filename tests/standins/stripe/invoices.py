"""Invoices and their states: draft, open, paid, void.

Finalising freezes an invoice: it gets a number when it has none, a hosted page, and
what its customer owes. Nothing or less owed means paid; less than the least charge is
carried on the customer's balance.
"""

import secrets
from typing import Any

from tests.standins.stripe.account import Account, Json, created_in, merged
from tests.standins.stripe.errors import invalid, missing, refused
from tests.standins.stripe.items import AMOUNT_MAX, attach, draft

LEAST_CHARGE = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50}
NUMBER_CHARS_MAX = 26
DAY_S = 86_400
_EDITABLE = (
    "auto_advance",
    "collection_method",
    "days_until_due",
    "description",
    "footer",
)
_ALWAYS_EDITABLE = frozenset({"metadata", "auto_advance", "expand"})


def create(account: Account, params: Json) -> Json:
    """Draft an invoice."""
    customer = account.customer(params.get("customer", ""), param="customer")
    method = params.get("collection_method", "charge_automatically")
    _check_terms(method, params)
    _check_number(account, params.get("number"), of=None)
    currency = params.get("currency") or customer["currency"] or "usd"
    invoice = _blank(account) | {
        "auto_advance": params.get("auto_advance", False),
        "collection_method": method,
        "currency": currency.lower(),
        "customer": customer["id"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "days_until_due": params.get("days_until_due"),
        "description": params.get("description"),
        "due_date": params.get("due_date"),
        "footer": params.get("footer"),
        "metadata": merged({}, params.get("metadata")),
        "number": params.get("number"),
    }
    account.lines[invoice["id"]] = []
    if params.get("pending_invoice_items_behavior", "exclude") == "include":
        waiting = account.pending_items.values()
        attach(
            account, invoice, [i for i in waiting if i["customer"] == customer["id"]]
        )
    account.invoices[invoice["id"]] = invoice
    return invoice


def retrieve(account: Account, reference: str) -> Json:
    """Return an invoice; 404 when there is none or its draft was deleted."""
    if reference not in account.invoices:
        raise missing("invoice", reference)
    return account.invoices[reference]


def update(account: Account, reference: str, params: Json) -> Json:
    """Edit a draft; of a finalised invoice only what is not money or identity."""
    invoice = retrieve(account, reference)
    unsupported = params.keys() - {
        *_EDITABLE,
        "metadata",
        "number",
        "due_date",
        "expand",
    }
    if unsupported:
        raise invalid(f"This stand-in does not edit {', '.join(sorted(unsupported))}.")
    if params.keys() - _ALWAYS_EDITABLE:
        draft(account, reference)
    if "number" in params:
        _check_number(account, params["number"], of=reference)
        invoice["number"] = params["number"] or None
    for name in (*_EDITABLE, "due_date"):
        if name in params:
            invoice[name] = params[name]
    invoice["metadata"] = merged(invoice["metadata"], params.get("metadata"))
    return invoice


def listed(account: Account, params: Json) -> list[Json]:
    """Return the invoices asked for, newest first."""
    wanted = {name: params[name] for name in ("customer", "status") if name in params}
    return [
        row
        for row in reversed(account.invoices.values())
        if all(row[name] == value for name, value in wanted.items())
        and created_in(row, params.get("created"))
    ]


def finalise(account: Account, reference: str, params: Json) -> Json:
    """Freeze a draft: number, hosted page, due date, and what is owed."""
    invoice = retrieve(account, reference)
    if invoice["status"] != "draft":
        raise refused("This invoice is already finalized.", code="invoice_not_editable")
    if abs(invoice["total"]) > AMOUNT_MAX:
        raise refused("The total is too large.", code="amount_too_large")
    customer = account.customer(invoice["customer"])
    if invoice["number"] is None:
        invoice["number"] = _next_number(customer)
    customer["currency"] = customer["currency"] or invoice["currency"]
    invoice["auto_advance"] = params.get("auto_advance", invoice["auto_advance"])
    invoice["hosted_invoice_url"] = (
        f"{account.base_url}/invoice/{secrets.token_urlsafe(12)}"
    )
    invoice["status"] = "open"
    now = invoice["status_transitions"]["finalized_at"] = account.now()
    if invoice["days_until_due"] is not None:
        invoice["due_date"] = now + invoice["days_until_due"] * DAY_S
    _settle_balance(account, invoice, customer)
    return invoice


def delete(account: Account, reference: str) -> Json:
    """Delete a draft; its number, had it one, is free again."""
    draft(account, reference)
    del account.invoices[reference], account.lines[reference]
    return {"id": reference, "object": "invoice", "deleted": True}


def void(account: Account, reference: str) -> Json:
    """Void an open invoice; it keeps its number."""
    invoice = retrieve(account, reference)
    if invoice["status"] != "open":
        raise refused(f"You can only void open invoices, not {invoice['status']} ones.")
    invoice["status"] = "void"
    invoice["status_transitions"]["voided_at"] = account.now()
    return invoice


def pay(account: Account, reference: str, params: Json) -> Json:
    """Mark an open invoice as paid out of band; the stand-in has no cards."""
    invoice = retrieve(account, reference)
    if invoice["status"] != "open":
        raise refused(f"The invoice is {invoice['status']}: there is nothing to pay.")
    if not params.get("paid_out_of_band"):
        raise refused("There is no payment method to charge.", param="payment_method")
    _mark_paid(account, invoice)
    return invoice


def _settle_balance(account: Account, invoice: Json, customer: Json) -> None:
    invoice["starting_balance"] = customer["balance"]
    due = invoice["total"] + customer["balance"]
    carried = due if due < LEAST_CHARGE.get(invoice["currency"], 1) else 0
    customer["balance"] = invoice["ending_balance"] = carried
    invoice["amount_due"] = invoice["amount_remaining"] = due - carried
    if not invoice["amount_due"]:
        _mark_paid(account, invoice)


def _mark_paid(account: Account, invoice: Json) -> None:
    invoice["status"] = "paid"
    invoice["amount_paid"] = invoice["amount_due"]
    invoice["amount_remaining"] = 0
    invoice["status_transitions"]["paid_at"] = account.now()


def _check_terms(method: str, params: Json) -> None:
    terms = [name for name in ("days_until_due", "due_date") if params.get(name)]
    if method == "send_invoice" and not terms:
        raise invalid("If invoices are sent, give `due_date` or `days_until_due`.")
    if method == "charge_automatically" and terms:
        raise invalid(f"`{terms[0]}` goes only with `send_invoice`.", param=terms[0])


def _check_number(account: Account, number: str | None, *, of: str | None) -> None:
    if not number:
        return
    if len(number) > NUMBER_CHARS_MAX:
        raise invalid("The invoice number is too long.", param="number")
    for reference, invoice in account.invoices.items():
        if invoice["number"] == number and reference != of:
            raise refused(f"The invoice number '{number}' is taken.", param="number")


def _next_number(customer: Json) -> str:
    sequence = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = sequence + 1
    return f"{customer['invoice_prefix']}-{sequence:04d}"


def _blank(account: Account) -> dict[str, Any]:
    zeros = ("amount_due", "amount_paid", "amount_remaining", "subtotal", "total")
    return {
        "id": account.new_id("in"),
        "object": "invoice",
        **dict.fromkeys(zeros, 0),
        "billing_reason": "manual",
        "created": account.now(),
        "ending_balance": None,
        "hosted_invoice_url": None,
        "livemode": False,
        "starting_balance": 0,
        "status": "draft",
        "status_transitions": dict.fromkeys(("finalized_at", "paid_at", "voided_at")),
    }
