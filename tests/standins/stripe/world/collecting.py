"""Collecting: an open invoice is paid, tried again, voided or given up.

open -> paid | void | uncollectible, and what was given up may still be paid or voided.
An invoice that charges by itself is tried again some days later, a few times.
"""

from functools import partial

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.errors import ApiError, missing, refused
from tests.standins.stripe.expanding import hidden
from tests.standins.stripe.routes import Route, on_object, on_object_alone
from tests.standins.stripe.world import balances, invoice_payments, methods, paying
from tests.standins.stripe.world.objects import changed, found, heed
from tests.standins.stripe.world.paying import Try

DAY_S = 86_400
RETRIED_AFTER_S = (3 * DAY_S, 5 * DAY_S, 7 * DAY_S)
_NO_METHOD = (
    "There is no `default_payment_method` set on this Customer or Invoice. Please set"
    " either a `default_payment_method` on the Invoice or the Customer's"
    " `invoice_settings`, or give a `payment_method`."
)


def pay(account: Account, reference: str, params: Json) -> Json:
    """Pay an open invoice, by a payment method or out of band."""
    heed(params, "off_session paid_out_of_band payment_method")
    invoice = payable(account, reference)
    if params.get("paid_out_of_band"):
        invoice_payments.check_not_on_its_way(account, invoice)
        invoice_payments.drop_default(account, invoice, "void_invoice")
        account.out_of_band[invoice["id"]] = invoice["amount_remaining"]
        return settled(account, invoice, invoice["amount_remaining"])
    method = _method(account, invoice, params.get("payment_method"))
    if method is None:
        raise refused(_NO_METHOD, param="payment_method")
    refusal = charge(
        account, invoice, method, Try(off_session=params.get("off_session", True))
    )
    if refusal is not None:
        raise refusal
    _check_action(account, invoice)
    return invoice


def charge(account: Account, invoice: Json, method: Json, how: Try) -> ApiError | None:
    """Try to pay what remains of an invoice; return the refusal, if there was one."""
    payment = invoice_payments.default_of(account, invoice)
    if payment is None:
        raise refused(f"There is nothing to pay on invoice {invoice['id']}.")
    intent = invoice_payments.intent_of(account, payment)
    invoice_payments.check_not_on_its_way(account, invoice)
    if method["type"] not in intent["payment_method_types"]:
        raise refused(
            f"The invoice cannot be paid by {method['type']}.", param="payment_method"
        )
    # Any try is the first; further ones count only when they come by themselves.
    count = max(1, invoice["attempt_count"])
    previous = changed(invoice, attempted=True, attempt_count=count)
    if previous:
        account.emit("invoice.updated", invoice, previous=previous)
    return paying.attempt(account, intent, method, how)


def moved(account: Account, invoice: Json, what: str) -> None:
    """Follow the invoice's payment intent."""
    payment = invoice_payments.default_of(account, invoice)
    if payment is None or what == "processing":
        return
    intent = invoice_payments.intent_of(account, payment)
    if what == "succeeded":
        amount = min(intent["amount_received"], invoice["amount_remaining"])
        invoice_payments.paid(account, payment, amount)
        settled(account, invoice, amount)
        return
    error = intent["last_payment_error"] or {}
    if what == "requires_action" or error.get("code") == "authentication_required":
        account.emit("invoice.payment_action_required", invoice)
    if what == "failed":
        account.emit("invoice.payment_failed", invoice)


def settled(account: Account, invoice: Json, amount: int = 0) -> Json:
    """Take an amount off what remains; nothing remaining means paid."""
    now = account.now()
    remaining = invoice["amount_remaining"] - amount
    fields: Json = {
        "amount_paid": invoice["amount_paid"] + amount,
        "amount_remaining": remaining,
    }
    if not remaining:
        transitions = {**invoice["status_transitions"], "paid_at": now}
        fields.update(status="paid", status_transitions=transitions)
        fields.update(next_payment_attempt=None, attempted=True, auto_advance=False)
    previous = changed(invoice, **fields)
    account.emit("invoice.updated", invoice, previous=previous)
    if not remaining:
        account.emit("invoice.paid", invoice)
        account.emit("invoice.payment_succeeded", invoice)
    return invoice


def plan(account: Account, invoice: Json, after_s: int | None) -> None:
    """Try to charge the invoice by itself after so long, or never again."""
    at = None if after_s is None else account.now() + after_s
    invoice["next_payment_attempt"] = at
    if at is not None:
        account.later(at, partial(_charge_by_itself, account, invoice, at))


def void(account: Account, reference: str) -> Json:
    """Void an invoice that was not paid; it keeps its number."""
    invoice = _finalised(account, reference)
    if invoice["status"] not in ("open", "uncollectible"):
        raise refused(f"You can only void open invoices, not {invoice['status']} ones.")
    if invoice["amount_paid"]:
        raise refused("You cannot void an invoice that was paid in part.")
    invoice_payments.check_not_on_its_way(account, invoice)
    invoice_payments.drop_default(account, invoice, "void_invoice")
    _end(account, invoice, "void", "voided_at")
    account.emit("invoice.voided", invoice)
    back = invoice["starting_balance"] - (invoice["ending_balance"] or 0)
    customer = account.customers.get(invoice["customer"])
    if customer is not None:
        why = {"currency": invoice["currency"], "invoice": invoice["id"]}
        kind = "unapplied_from_invoice"
        balances.adjust(account, customer, back, kind=kind, **why)
    return invoice


def mark_uncollectible(account: Account, reference: str) -> Json:
    """Give an open invoice up; it can still be paid."""
    invoice = _finalised(account, reference)
    if invoice["status"] != "open":
        raise refused("You can only mark open invoices as uncollectible.")
    _end(account, invoice, "uncollectible", "marked_uncollectible_at")
    account.emit("invoice.marked_uncollectible", invoice)
    return invoice


def attach_payment(account: Account, reference: str, params: Json) -> Json:
    """Let an intent that was paid pay towards an open invoice."""
    heed(params, "payment_intent")
    invoice = payable(account, reference)
    intent = found(
        account, paying.KIND, params.get("payment_intent", ""), param="payment_intent"
    )
    taken = any(
        row["payment"]["payment_intent"] == intent["id"]
        for row in account.rows[invoice_payments.KIND].values()
    )
    fits = all(intent[name] == invoice[name] for name in ("customer", "currency"))
    if taken or not fits or intent["status"] != "succeeded":
        raise refused(
            "The PaymentIntent must have succeeded, be of the invoice's customer and"
            " currency, and pay no other invoice.",
            param="payment_intent",
        )
    invoice_payments.check_not_on_its_way(account, invoice)
    amount = min(intent["amount_received"], invoice["amount_remaining"])
    payment = invoice_payments.add(
        account, invoice, intent, amount=amount, default=False
    )
    invoice_payments.paid(account, payment, amount)
    settled(account, invoice, amount)
    invoice_payments.keep_up(account, invoice)
    _overpaid(account, invoice, intent["amount_received"] - amount)
    return invoice


@hidden("invoice", "amount_paid_off_stripe")
def _out_of_band(account: Account, invoice: Json) -> int:
    return account.out_of_band.get(invoice["id"], 0)


def _overpaid(account: Account, invoice: Json, more: int) -> None:
    if more:
        invoice["amount_overpaid"] += more
        account.emit("invoice.overpaid", invoice)
        customer = account.customer(invoice["customer"])
        why = {"currency": invoice["currency"], "invoice": invoice["id"]}
        balances.adjust(account, customer, -more, kind="invoice_overpaid", **why)


def _charge_by_itself(account: Account, invoice: Json, at: int) -> None:
    is_due = invoice["status"] == "open" and invoice["next_payment_attempt"] == at
    if not (is_due and invoice["auto_advance"]):
        return
    tried = invoice["attempt_count"]
    plan(account, invoice, dict(enumerate(RETRIED_AFTER_S)).get(tried))
    previous = changed(invoice, attempted=True, attempt_count=tried + 1)
    account.emit("invoice.updated", invoice, previous=previous)
    try:
        method = _method(account, invoice, None)
        if method is None:
            account.emit("invoice.payment_failed", invoice)
        else:
            charge(account, invoice, method, Try(off_session=True))
    except ApiError:
        # Nothing can be charged with what is set, or a payment is on its way already.
        return


def _method(account: Account, invoice: Json, reference: str | None) -> Json | None:
    customer = account.customer(invoice["customer"])
    settings = customer["invoice_settings"]
    chosen = (
        reference
        or invoice["default_payment_method"]
        or settings["default_payment_method"]
    )
    if not chosen:
        return None
    method = methods.retrieve(account, chosen)
    if method["customer"] not in (None, customer["id"]):
        raise refused(
            "The payment method belongs to another customer.", param="payment_method"
        )
    if account.instruments[method["id"]].spent:
        raise refused(methods.USED, param="payment_method")
    return method


def _check_action(account: Account, invoice: Json) -> None:
    payment = invoice_payments.default_of(account, invoice)
    if payment is None:
        return
    intent = invoice_payments.intent_of(account, payment)
    if intent["status"] == "requires_action":
        error = ApiError(
            402,
            "This payment requires additional user action before it can be completed"
            " successfully. Payment can be completed using the PaymentIntent associated"
            " with the invoice.",
            kind="card_error",
            code="invoice_payment_intent_requires_action",
        )
        error.body["error"]["payment_intent"] = dict(intent)
        raise error


def payable(account: Account, reference: str) -> Json:
    """Return an invoice that can be paid."""
    invoice = _finalised(account, reference)
    if invoice["status"] == "paid":
        raise refused("Invoice is already paid")
    if invoice["status"] not in ("open", "uncollectible"):
        raise refused(f"The invoice is {invoice['status']}: there is nothing to pay.")
    return invoice


def _finalised(account: Account, reference: str) -> Json:
    if reference not in account.invoices:
        raise missing("invoice", reference)
    return account.invoices[reference]


def _end(account: Account, invoice: Json, status: str, stamp: str) -> None:
    transitions = {**invoice["status_transitions"], stamp: account.now()}
    previous = changed(
        invoice,
        next_payment_attempt=None,
        status=status,
        status_transitions=transitions,
    )
    account.emit("invoice.updated", invoice, previous=previous)


ROUTES = tuple(
    Route("POST", f"/v1/invoices/{{id}}/{name}", declared, operation)
    for name, declared, operation in (
        ("attach_payment", sdk.InvoiceAttachPaymentParams, on_object(attach_payment)),
        (
            "mark_uncollectible",
            sdk.InvoiceMarkUncollectibleParams,
            on_object_alone(mark_uncollectible),
        ),
        ("pay", sdk.InvoicePayParams, on_object(pay)),
        ("void", sdk.InvoiceVoidInvoiceParams, on_object_alone(void)),
    )
)
