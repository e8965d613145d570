"""The customer portal: cards are added, chosen and removed, invoices are found."""

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
)
from tests.standins.stripe.world import methods, portal, setup_intents

INVOICES_SHOWN = 20


def found(account: Account, reference: str) -> Json | None:
    """Return a session."""
    return account.rows[portal.KIND].get(reference)


def show(visit: Visit) -> Page:
    """Return a customer's cards and latest invoices."""
    account = visit.account
    session = portal.retrieve(account, visit.reference)
    customer = account.customer(session["customer"])
    name = customer["name"] or customer["email"] or customer["id"]
    back = session["return_url"]
    return_link = f'<p><a href="{escape(back)}">Go back</a></p>' if back else ""
    body = (
        f"<h1>{escape(name)}</h1>{return_link}{alert(visit.problem)}"
        f"<h2>Payment methods</h2>{_methods(account, customer)}"
        f'<form method="post">{choice(setup_intents.TYPES, label="Add a test card")}'
        f'<button name="do" value="add">Add, and use from now on</button></form>'
        f"<h2>Invoices</h2>{_invoices(account, customer)}"
    )
    return Page(body, title=f"{name}: payment methods")


def act(visit: Visit) -> Page:
    """Do what a button says."""
    account, form = visit.account, visit.form
    session = portal.retrieve(account, visit.reference)
    match form.get("do"):
        case "add":
            intent = portal.add_card(account, visit.reference, form.get("card", ""))
            question = question_of(intent, account.base_url)
            return sent_on(question or session["url"])
        case "choose":
            portal.choose(account, visit.reference, form.get("method", ""))
        case "remove":
            portal.remove_card(account, visit.reference, form.get("method", ""))
    return sent_on(session["url"])


def _methods(account: Account, customer: Json) -> str:
    default = customer["invoice_settings"]["default_payment_method"]
    rows = "".join(
        f"<tr><td>{_told(method)}"
        f"<td>{'Used for invoices' if method['id'] == default else _choose(method)}"
        f"<td class=sum>{_button(method, 'remove', 'Remove')}"
        for method in methods.of_customer(account, customer["id"])
    )
    return f"<table>{rows}</table>" if rows else "<p>There is none yet.</p>"


def _told(method: Json) -> str:
    details = method[method["type"]]
    brand = details.get("brand") or "SEPA"
    return f"{escape(brand.title())} ending in {escape(details['last4'])}"


def _choose(method: Json) -> str:
    return _button(method, "choose", "Use for invoices")


def _button(method: Json, action: str, label: str) -> str:
    return (
        '<form class="inline" method="post">'
        f'<input type="hidden" name="method" value="{escape(method["id"])}">'
        f'<button name="do" value="{action}">{label}</button></form>'
    )


def _invoices(account: Account, customer: Json) -> str:
    mine = [
        row
        for row in reversed(account.invoices.values())
        if row["customer"] == customer["id"] and row["hosted_invoice_url"]
    ]
    rows = "".join(
        f'<tr><td><a href="{escape(row["hosted_invoice_url"])}">'
        f"{escape(row['number'])}</a><td>{escape(row['status'])}"
        f"<td class=sum>{money(row['total'], row['currency'])}"
        for row in mine[:INVOICES_SHOWN]
    )
    return f"<table>{rows}</table>" if rows else "<p>There is none yet.</p>"
