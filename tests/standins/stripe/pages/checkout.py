"""Checkout's page: what is bought, a card to pay with, and a way back."""

from html import escape

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.pages.card_choice import choice
from tests.standins.stripe.pages.layout import (
    Page,
    Visit,
    alert,
    message,
    money,
    question_of,
    sent_on,
    table,
)
from tests.standins.stripe.world import checkout


def found(account: Account, reference: str) -> Json | None:
    """Return a session."""
    return account.rows[checkout.KIND].get(reference)


def show(visit: Visit) -> Page:
    """Return the page of a session that is still open."""
    session = checkout.retrieve(visit.account, visit.reference)
    if session["status"] != "open":
        return message(410, f"This checkout is {session['status']}.")
    is_setup = session["mode"] == "setup"
    title = "Store a card" if is_setup else "Pay"
    body = (
        f"<h1>{title}</h1><p>{escape(visit.account.name)}</p>{alert(visit.problem)}"
        f"{'' if is_setup else _bought(visit.account, session)}"
        f'<form method="post">{choice(session["payment_method_types"])}'
        f"{_email(session)}<button>{_action(session)}</button></form>{_back(session)}"
    )
    return Page(body, title=title)


def complete(visit: Visit) -> Page:
    """Pay or store the card, and go on to the shop's page or to the bank's."""
    account = visit.account
    intent = checkout.complete(
        account,
        visit.reference,
        visit.form.get("card", ""),
        email=visit.form.get("email") or None,
    )
    session = checkout.retrieve(account, visit.reference)
    return sent_on(question_of(intent, account.base_url) or success_url(session))


def success_url(session: Json) -> str:
    """Return where a customer goes after paying, with the session's id filled in."""
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _bought(account: Account, session: Json) -> str:
    currency = session["currency"]
    rows = [
        (escape(line["description"] or ""), money(line["amount_total"], currency))
        for line in account.lines[session["id"]]
    ]
    return table(rows, [("Total", money(session["amount_total"], currency))])


def _email(session: Json) -> str:
    if session["customer"] or session["customer_details"]["email"]:
        return ""
    return (
        '<label for="email">Email</label>'
        '<input id="email" name="email" type="email" required>'
    )


def _action(session: Json) -> str:
    if session["mode"] == "setup":
        return "Store this card"
    return f"Pay {money(session['amount_total'], session['currency'])}"


def _back(session: Json) -> str:
    url = session["cancel_url"]
    return f'<p><a href="{escape(url)}">Go back without paying</a></p>' if url else ""
