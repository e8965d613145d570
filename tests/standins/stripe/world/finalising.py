"""Finalising: a draft is frozen, numbered, and asks for what is owed.

Nothing or less owed means paid; less than the least charge is carried on the
customer's balance, and the invoice shows as paid.
"""

import secrets
from functools import partial

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.errors import ApiError, missing, refused
from tests.standins.stripe.routes import Route, on_object, on_object_alone
from tests.standins.stripe.world import (
    balances,
    collecting,
    invoice_payments,
    taxing,
    totals,
)
from tests.standins.stripe.world.amounts import CHARGE_MAX, least_charge
from tests.standins.stripe.world.objects import heed, update

DAY_S = 86_400
WARNED_S = 3 * DAY_S


def finalise(account: Account, reference: str, params: Json) -> Json:
    """Freeze a draft: number, hosted page, due date, and what is owed."""
    heed(params, "auto_advance")
    invoice = account.invoices.get(reference)
    if invoice is None:
        raise missing("invoice", reference)
    if invoice["status"] != "draft":
        raise refused("This invoice is already finalized.", code="invoice_not_editable")
    if abs(invoice["total"]) > CHARGE_MAX:
        raise refused("The total is too large.", code="amount_too_large")
    customer = account.customer(invoice["customer"])
    totals.refresh_one(account, invoice, customer)
    if invoice["automatic_tax"]["status"] == "requires_location_inputs":
        raise _failed(account, invoice, taxing.not_located())
    _freeze(account, invoice, customer)
    invoice["auto_advance"] = params.get("auto_advance", invoice["auto_advance"])
    update(account, customer, currency=customer["currency"] or invoice["currency"])
    _settle_balance(account, invoice, customer)
    charges_itself = invoice["collection_method"] == "charge_automatically"
    if invoice["amount_due"]:
        invoice_payments.ask(account, invoice, partial(collecting.moved, account))
        if invoice["auto_advance"] and charges_itself:
            collecting.plan(account, invoice, account.attempts_after_s)
    account.emit("invoice.finalized", invoice)
    if not invoice["amount_due"]:
        collecting.settled(account, invoice)
        return invoice
    _remind(account, invoice)
    if invoice["auto_advance"] and not charges_itself:
        account.emit("invoice.sent", invoice)
    return invoice


def send(account: Account, reference: str) -> Json:
    """Send an invoice to its customer, finalised first when it is a draft."""
    invoice = account.invoices.get(reference)
    if invoice is None:
        raise missing("invoice", reference)
    if invoice["status"] == "draft":
        finalise(account, reference, {})
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise refused("You can only send open invoices.")
    account.emit("invoice.sent", invoice)
    return invoice


def _failed(account: Account, invoice: Json, error: ApiError) -> ApiError:
    """Note on a draft why it cannot be finalised."""
    invoice["last_finalization_error"] = dict(error.body["error"])
    account.emit("invoice.finalization_failed", invoice)
    return error


def _freeze(account: Account, invoice: Json, customer: Json) -> None:
    now = account.now()
    if invoice["number"] is None:
        number = invoice["number"] = _next_number(customer)
        account.numbers[number] = invoice["id"]
    days = account.days_until_due.get(invoice["id"])
    if days is not None:
        invoice["due_date"] = now + days * DAY_S
    url = f"{account.base_url}/invoice/{secrets.token_urlsafe(12)}"
    invoice.update(
        automatically_finalizes_at=None,
        effective_at=invoice["effective_at"] or now,
        hosted_invoice_url=url,
        invoice_pdf=f"{url}/pdf",
        status="open",
        webhooks_delivered_at=now,
    )
    invoice["status_transitions"]["finalized_at"] = now


def _settle_balance(account: Account, invoice: Json, customer: Json) -> None:
    starting = customer["balance"]
    due = invoice["total"] + starting
    carried = due if due < least_charge(invoice["currency"]) else 0
    invoice.update(
        starting_balance=starting,
        ending_balance=carried,
        amount_due=due - carried,
        amount_remaining=due - carried,
    )
    kind = "invoice_too_small" if carried > 0 else "applied_to_invoice"
    why = {"currency": invoice["currency"], "invoice": invoice["id"]}
    balances.adjust(account, customer, carried - starting, kind=kind, **why)


def _remind(account: Account, invoice: Json) -> None:
    due = invoice["due_date"]
    if due is not None:
        warned = max(due - WARNED_S, account.now())
        account.later(warned, partial(_still_open, account, invoice, "will_be_due"))
        account.later(due, partial(_still_open, account, invoice, "overdue"))


def _still_open(account: Account, invoice: Json, what: str) -> None:
    if invoice["status"] == "open":
        account.emit(f"invoice.{what}", invoice)


def _next_number(customer: Json) -> str:
    sequence = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = sequence + 1
    return f"{customer['invoice_prefix']}-{sequence:04d}"


ROUTES = (
    Route(
        "POST",
        "/v1/invoices/{id}/finalize",
        sdk.InvoiceFinalizeInvoiceParams,
        on_object(finalise),
    ),
    Route(
        "POST",
        "/v1/invoices/{id}/send",
        sdk.InvoiceSendInvoiceParams,
        on_object_alone(send),
    ),
)
