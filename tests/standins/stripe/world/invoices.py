"""Invoices: drafted, edited, listed and deleted; see `finalising` and `collecting`."""

import contextlib
from functools import partial
from typing import Any

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import ApiError, invalid, missing, refused
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import (
    Route,
    on_account,
    on_object,
    on_object_alone,
)
from tests.standins.stripe.world import finalising, methods, totals
from tests.standins.stripe.world.items import attach, draft
from tests.standins.stripe.world.objects import changed, heed, listed, new

NUMBER_CHARS_MAX = 26
HOUR_S = 3600
# Stripe waits so long for those who are to hear of a draft, and then no more.
WEBHOOKS_AWAITED_S = 72 * HOUR_S
_PLAIN = "auto_advance collection_method description footer due_date"
_MORE = "custom_fields statement_descriptor rendering"
_ODD = "days_until_due default_payment_method metadata number payment_settings"
_KNOWN = f"automatic_tax {_PLAIN} {_MORE} {_ODD}"
_ALWAYS_EDITABLE = {"metadata", "auto_advance", "default_payment_method", "expand"}


def create(account: Account, params: Json) -> Json:
    """Draft an invoice."""
    heed(params, f"{_KNOWN} customer currency pending_invoice_items_behavior")
    customer = account.customer(params.get("customer", ""), param="customer")
    method = params.get("collection_method", "charge_automatically")
    _check_terms(method, params)
    _check_number(account, params.get("number"), of=None)
    fields = _fields(account, customer, params)
    now = account.now()
    invoice = new(
        account,
        "invoice",
        **{
            "account_name": account.name,
            "auto_advance": False,
            "collection_method": method,
            "currency": _currency(customer, params),
            "customer": customer["id"],
            "number": params.get("number") or None,
            "period_end": now,
            "period_start": now,
            **totals.copied(account, customer),
            **fields,
            "metadata": merged({}, params.get("metadata")),
        },
    )
    account.lines[invoice["id"]] = []
    account.numbers[invoice["number"] or ""] = invoice["id"]
    _note_terms(account, invoice, params)
    totals.add_up(account, invoice)
    if params.get("pending_invoice_items_behavior", "exclude") == "include":
        waiting = [
            item
            for item in account.pending_items.values()
            if item["customer"] == customer["id"]
        ]
        attach(account, invoice, waiting, says_so=False)
    account.emit("invoice.created", invoice)
    _finalise_in_an_hour(account, invoice)
    return invoice


def retrieve(account: Account, reference: str) -> Json:
    """Return an invoice; 404 when there is none or its draft was deleted."""
    if reference not in account.invoices:
        raise missing("invoice", reference)
    return account.invoices[reference]


def update(account: Account, reference: str, params: Json) -> Json:
    """Edit a draft; of a finalised invoice only what is not money or identity."""
    heed(params, _KNOWN)
    invoice = retrieve(account, reference)
    if params.keys() - _ALWAYS_EDITABLE:
        draft(account, reference)
    fields = _fields(account, account.customer(invoice["customer"]), params)
    if "number" in params:
        _check_number(account, params["number"], of=reference)
        fields["number"] = params["number"] or None
    fields["metadata"] = merged(invoice["metadata"], params.get("metadata"))
    previous = changed(invoice, **fields)
    account.numbers[invoice["number"] or ""] = reference
    previous.update(_note_terms(account, invoice, params))
    if "automatic_tax" in params:
        previous.update(totals.add_up(account, invoice))
    if previous:
        account.emit("invoice.updated", invoice, previous=previous)
    if "auto_advance" in previous:
        _finalise_in_an_hour(account, invoice)
    return invoice


def search(account: Account, params: Json) -> Json:
    """Return a page of invoices, newest first."""
    heed(params, "customer status collection_method")
    rows = list(
        listed(account, "invoice", params, by="customer status collection_method")
    )
    return page(rows, params, url="/v1/invoices")


def lines(account: Account, reference: str, params: Json) -> Json:
    """Return a page of an invoice's lines, in their order."""
    retrieve(account, reference)
    url = f"/v1/invoices/{reference}/lines"
    return page(account.lines[reference], params, url=url)


def delete(account: Account, reference: str) -> Json:
    """Delete a draft; its number, had it one, is free again."""
    invoice = draft(account, reference)
    account.emit("invoice.deleted", invoice)
    del account.invoices[reference], account.lines[reference]
    return {"id": reference, "object": "invoice", "deleted": True}


def _fields(account: Account, customer: Json, params: Json) -> dict[str, Any]:
    names = f"{_PLAIN} {_MORE}".split()
    fields = {
        # An empty text unsets; a switch that is off is not empty.
        name: None if params[name] == "" else params[name]
        for name in names
        if name in params
    }
    if params.get("default_payment_method"):
        reference = params["default_payment_method"]
        method = methods.retrieve(account, reference, param="default_payment_method")
        if method["customer"] != customer["id"]:
            raise refused(
                "The customer does not have this payment method.",
                param="default_payment_method",
            )
        fields["default_payment_method"] = method["id"]
    if "automatic_tax" in params:
        fields["automatic_tax"] = _automatic_tax(params["automatic_tax"])
    if "payment_settings" in params:
        heed(params["payment_settings"], "payment_method_types default_mandate")
        blank = {"default_mandate": None, "payment_method_options": None}
        types = params["payment_settings"].get("payment_method_types") or None
        fields["payment_settings"] = {**blank, "payment_method_types": types}
    return fields


def _note_terms(account: Account, invoice: Json, params: Json) -> Json:
    """Remember in how many days a draft is due: they count from its finalising."""
    days = params.get("days_until_due")
    if days is None:
        return {}
    account.days_until_due[invoice["id"]] = days
    return changed(invoice, due_date=account.now() + days * finalising.DAY_S)


def _automatic_tax(given: Json) -> Json:
    heed(given, "enabled liability")
    enabled = given["enabled"]
    return {
        "disabled_reason": None,
        "enabled": enabled,
        "liability": {"type": "self"} if enabled else None,
        "provider": "stripe" if enabled else None,
        "status": None,
    }


def _currency(customer: Json, params: Json) -> str:
    return str(params.get("currency") or customer["currency"] or "usd").lower()


def _finalise_in_an_hour(account: Account, invoice: Json) -> None:
    """Let a draft that advances by itself do so, unless that changed meanwhile."""
    if invoice["status"] != "draft":
        return
    at = account.now() + HOUR_S if invoice["auto_advance"] else None
    invoice["automatically_finalizes_at"] = at
    if at is not None:
        account.later(at, partial(_finalise_when_due, account, invoice, at))


def _finalise_when_due(account: Account, invoice: Json, at: int) -> None:
    is_there = invoice["id"] in account.invoices and invoice["status"] == "draft"
    if not is_there or invoice["automatically_finalizes_at"] != at:
        return
    is_heard = not account.events.is_pending("invoice.created", invoice["id"])
    if not is_heard and at < invoice["created"] + WEBHOOKS_AWAITED_S:
        _finalise_in_an_hour(account, invoice)
        return
    # What cannot be finalised stays a draft; `finalising` has told why.
    with contextlib.suppress(ApiError):
        finalising.finalise(account, invoice["id"], {})


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
    holder = account.invoices.get(account.numbers.get(number, ""))
    if holder is not None and holder["number"] == number and holder["id"] != of:
        raise refused(f"The invoice number '{number}' is taken.", param="number")


ROUTES = (
    Route("POST", "/v1/invoices", sdk.InvoiceCreateParams, on_account(create)),
    Route("GET", "/v1/invoices", sdk.InvoiceListParams, on_account(search)),
    Route(
        "GET", "/v1/invoices/{id}", sdk.InvoiceRetrieveParams, on_object_alone(retrieve)
    ),
    Route("POST", "/v1/invoices/{id}", sdk.InvoiceUpdateParams, on_object(update)),
    Route(
        "DELETE", "/v1/invoices/{id}", sdk.InvoiceDeleteParams, on_object_alone(delete)
    ),
    Route(
        "GET",
        "/v1/invoices/{id}/lines",
        sdk.InvoiceLineItemListParams,
        on_object(lines),
    ),
)
