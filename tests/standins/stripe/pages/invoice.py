"""An invoice's hosted page: what it charges, and a way to pay it."""

from html import escape

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.pages.card_choice import choice
from tests.standins.stripe.pages.layout import (
    Page,
    Visit,
    alert,
    money,
    question_of,
    sent_on,
    table,
)
from tests.standins.stripe.world import hosted, invoice_payments

_STATUS = {
    "open": "Open",
    "paid": "Paid",
    "void": "Void",
    "uncollectible": "Written off",
}


def found(account: Account, token: str) -> Json | None:
    """Return the invoice whose page's address ends so."""
    url = f"{account.base_url}/invoice/{token}"
    for invoice in account.invoices.values():
        if invoice["hosted_invoice_url"] == url:
            return invoice
    return None


def show(visit: Visit) -> Page:
    """Return the page of an invoice."""
    account = visit.account
    invoice = account.invoices[visit.reference]
    currency, number = invoice["currency"], invoice["number"]
    status = _STATUS[invoice["status"]]
    to = invoice["customer_name"] or invoice["customer_email"] or invoice["customer"]
    rows = [
        (escape(line["description"] or ""), money(line["amount"], currency))
        for line in account.lines[invoice["id"]]
    ]
    foot = [("Total", money(invoice["total"], currency))]
    if invoice["total"] != invoice["subtotal"]:
        foot.insert(0, ("Subtotal", money(invoice["subtotal"], currency)))
    if invoice["amount_due"] != invoice["total"]:
        foot.append(("Amount due", money(invoice["amount_due"], currency)))
    foot.append(("Paid", money(invoice["amount_paid"], currency)))
    body = (
        f"<h1>Invoice {escape(number)}</h1>"
        f"<p>{escape(to)} &middot; <strong>{status}</strong></p>"
        f"{alert(visit.problem)}{_paying(account, invoice)}{table(rows, foot)}"
        f"<p>{_papers(account, invoice)}</p>"
    )
    return Page(body, title=f"Invoice {number}")


def pay(visit: Visit) -> Page:
    """Pay, and show the invoice again, or where the bank asks."""
    account = visit.account
    intent = hosted.pay_invoice(account, visit.reference, visit.form.get("card", ""))
    url: str = account.invoices[visit.reference]["hosted_invoice_url"]
    return sent_on(question_of(intent, account.base_url) or url)


def _papers(account: Account, invoice: Json) -> str:
    """Return links to what a payer keeps."""
    links = [("Invoice as PDF", invoice["invoice_pdf"])]
    for payment in account.payments_of[invoice["id"]]:
        if payment["status"] != "paid" or "payment_intent" not in payment["payment"]:
            continue
        charge = invoice_payments.intent_of(account, payment)["latest_charge"]
        links.append(("Receipt", f"{account.base_url}/receipts/{charge}"))
    return " &middot; ".join(
        f'<a href="{escape(url)}">{name}</a>' for name, url in links
    )


def _paying(account: Account, invoice: Json) -> str:
    if invoice["status"] == "paid":
        return '<p role="status">This invoice has been paid.</p>'
    payment = invoice_payments.default_of(account, invoice)
    if invoice["status"] == "void" or payment is None:
        return ""
    intent = invoice_payments.intent_of(account, payment)
    if intent["status"] == "processing":
        return '<p role="status">A payment is on its way.</p>'
    amount = money(invoice["amount_remaining"], invoice["currency"])
    return (
        f'<form method="post">{choice(intent["payment_method_types"])}'
        f"<button>Pay {amount}</button></form>"
    )
