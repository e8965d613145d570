"""Invoice payments: which payment intent pays which invoice, and how much of it.

A finalised invoice has a default one, kept at what remains to be paid.
"""

from collections.abc import Callable
from functools import partial

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.errors import refused
from tests.standins.stripe.expanding import hidden
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import Route, on_account, on_object_alone
from tests.standins.stripe.world import paying
from tests.standins.stripe.world.objects import found, heed, listed, new

KIND = "invoice_payment"


def ask(account: Account, invoice: Json, told: Callable[[Json, str], None]) -> Json:
    """Make the default payment of an invoice; `told` hears when its intent moves."""
    intent = paying.make(
        account,
        account.customer(invoice["customer"]),
        watcher=partial(told, invoice),
        amount=invoice["amount_remaining"],
        currency=invoice["currency"],
        description=f"Payment for Invoice {invoice['number']}",
        payment_method_types=_types(invoice),
    )
    payment = add(account, invoice, intent, amount=invoice["amount_remaining"])
    account.emit("payment_intent.created", intent)
    return payment


def add(
    account: Account, invoice: Json, intent: Json, *, amount: int, default: bool = True
) -> Json:
    """Note that an intent pays towards an invoice."""
    payment = new(
        account,
        KIND,
        amount_requested=amount,
        currency=invoice["currency"],
        invoice=invoice["id"],
        is_default=default,
        payment={"payment_intent": intent["id"], "type": "payment_intent"},
    )
    account.payments_of[invoice["id"]].append(payment)
    return payment


def of_invoice(account: Account, invoice: Json) -> list[Json]:
    """Return an invoice's payments, newest first."""
    return account.payments_of[invoice["id"]][::-1]


def default_of(account: Account, invoice: Json) -> Json | None:
    """Return the default payment of an invoice while it is open."""
    for payment in of_invoice(account, invoice):
        if payment["is_default"] and payment["status"] == "open":
            return payment
    return None


def intent_of(account: Account, payment: Json) -> Json:
    """Return the payment intent behind a payment."""
    return found(account, paying.KIND, payment["payment"]["payment_intent"])


def paid(account: Account, payment: Json, amount: int) -> None:
    """Note that a payment came, with so much of it for its invoice."""
    payment.update(amount_paid=amount, status="paid")
    payment["status_transitions"]["paid_at"] = account.now()
    account.emit("invoice_payment.paid", payment)


def check_not_on_its_way(account: Account, invoice: Json) -> None:
    """Refuse while a payment is being processed: it may still come."""
    payment = default_of(account, invoice)
    if payment and intent_of(account, payment)["status"] == "processing":
        raise refused("A payment of this invoice is being processed.")


def drop_default(account: Account, invoice: Json, reason: str) -> None:
    """Cancel the default payment: the invoice is not to be paid by it any more."""
    payment = default_of(account, invoice)
    if payment is None:
        return
    payment["status"] = "canceled"
    payment["status_transitions"]["canceled_at"] = account.now()
    paying.end(account, intent_of(account, payment), reason)


def keep_up(account: Account, invoice: Json) -> None:
    """Ask by the default payment for what remains, or for nothing any more."""
    payment = default_of(account, invoice)
    if payment is None:
        return
    if not invoice["amount_remaining"]:
        drop_default(account, invoice, "void_invoice")
        return
    payment["amount_requested"] = invoice["amount_remaining"]
    intent_of(account, payment)["amount"] = invoice["amount_remaining"]


def retrieve(account: Account, reference: str) -> Json:
    """Return an invoice payment."""
    return found(account, KIND, reference)


def search(account: Account, params: Json) -> Json:
    """Return a page of invoice payments, newest first."""
    heed(params, "invoice payment status")
    wanted = params.get("payment", {}).get("payment_intent")
    rows = [
        row
        for row in listed(account, KIND, params, by="invoice status")
        if wanted in (None, row["payment"]["payment_intent"])
    ]
    return page(rows, params, url="/v1/invoice_payments")


@hidden("invoice", "payments")
def _payments(account: Account, invoice: Json) -> Json:
    url = f"/v1/invoice_payments?invoice={invoice['id']}"
    return page(of_invoice(account, invoice), {}, url=url)


@hidden("invoice", "confirmation_secret")
def _secret(account: Account, invoice: Json) -> Json | None:
    payment = default_of(account, invoice)
    if payment is None:
        return None
    secret = intent_of(account, payment)["client_secret"]
    return {"client_secret": secret, "type": "payment_intent"}


def _types(invoice: Json) -> list[str]:
    chosen = invoice["payment_settings"]["payment_method_types"]
    slow = ["sepa_debit"] if invoice["currency"] == "eur" else []
    return chosen or ["card", *slow]


ROUTES = (
    Route(
        "GET", "/v1/invoice_payments", sdk.InvoicePaymentListParams, on_account(search)
    ),
    Route(
        "GET",
        "/v1/invoice_payments/{id}",
        sdk.InvoicePaymentRetrieveParams,
        on_object_alone(retrieve),
    ),
)
