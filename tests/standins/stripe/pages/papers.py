"""What people keep: the PDF of an invoice and of a credit note, and a receipt."""

import datetime as dt
from collections.abc import Iterable
from html import escape

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.pages import invoice as invoice_page
from tests.standins.stripe.pages.layout import Page, message, money, table
from tests.standins.stripe.world import charges, crediting

_NONE = "There is no such paper."


def found(account: Account, kind: str, *names: str) -> Page | None:
    """Return a paper of an account by its address; None where it is none of those."""
    if kind == "invoice" and names[1:] == ("pdf",):
        return _invoice(account, names[0])
    if kind == "receipts" and len(names) == 1:
        return _receipt(account, names[0])
    if kind == "credit_notes" and names[2:] == ("pdf",):
        return _note(account, names[0], names[1])
    return None


def is_paper(path: str) -> bool:
    """Tell whether an address is one of a paper, whether it is there or not."""
    _, kind, *names = path.split("/")
    return kind in ("receipts", "credit_notes") or (
        kind == "invoice" and names[1:] == ["pdf"]
    )


def none() -> Page:
    """Say that a paper is not there."""
    return message(404, _NONE)


def _invoice(account: Account, token: str) -> Page | None:
    invoice = invoice_page.found(account, token)
    if invoice is None:
        return None
    currency = invoice["currency"]
    foot = [
        ("Total", money(invoice["total"], currency)),
        ("Paid", money(invoice["amount_paid"], currency)),
        ("Amount due", money(invoice["amount_remaining"], currency)),
    ]
    return _paper(
        f"Invoice {invoice['number']}",
        _to(account, invoice),
        invoice["status_transitions"]["finalized_at"],
        _rows(account.lines[invoice["id"]], currency),
        foot,
    )


def _note(account: Account, invoice: str, number: str) -> Page | None:
    url = f"{account.base_url}/credit_notes/{invoice}/{number}/pdf"
    for note in account.rows[crediting.KIND].values():
        if note["pdf"] == url:
            currency = note["currency"]
            return _paper(
                f"Credit note {note['number']}",
                _to(account, account.invoices[note["invoice"]]),
                note["created"],
                _rows(account.lines[note["id"]], currency),
                [("Credited", money(note["total"], currency))],
            )
    return None


def _receipt(account: Account, reference: str) -> Page | None:
    charge = account.rows[charges.KIND].get(reference)
    if charge is None or not charge["receipt_url"]:
        return None
    currency = charge["currency"]
    foot = [("Paid", money(charge["amount"], currency))]
    if charge["amount_refunded"]:
        foot.append(("Refunded", money(charge["amount_refunded"], currency)))
    details = charge["payment_method_details"]
    last4 = details[details["type"]].get("last4") or ""
    means = escape(f"{details['type'].replace('_', ' ')} {last4}".strip())
    page = _paper(
        f"Receipt of {charge['id']}",
        escape(charge["receipt_email"] or ""),
        charge["created"],
        [(f"Paid by {means}", money(charge["amount"], currency))],
        foot,
    )
    return Page(page.body, title=page.title)


def _paper(
    title: str,
    to: str,
    at: int,
    rows: list[tuple[str, str]],
    foot: list[tuple[str, str]],
) -> Page:
    day = dt.datetime.fromtimestamp(at, tz=dt.UTC).date()
    body = f"<h1>{escape(title)}</h1><p>{to}</p><p>{day}</p>{table(rows, foot)}"
    return Page(body, title=title, is_pdf=True)


def _to(account: Account, invoice: Json) -> str:
    to = invoice["customer_name"] or invoice["customer_email"] or invoice["customer"]
    return f"{escape(account.name)} to {escape(to)}"


def _rows(lines: Iterable[Json], currency: str) -> list[tuple[str, str]]:
    return [
        (escape(line["description"] or ""), money(line["amount"], currency))
        for line in lines
    ]
