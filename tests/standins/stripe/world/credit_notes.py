"""Credit notes: a finalised invoice is made smaller, before or after it was paid."""

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import refused
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import (
    Route,
    on_account,
    on_object,
    on_object_alone,
)
from tests.standins.stripe.world import (
    balances,
    collecting,
    crediting,
    invoice_payments,
    refunds,
)
from tests.standins.stripe.world.crediting import KIND, Parts
from tests.standins.stripe.world.objects import (
    changed,
    found,
    heed,
    listed,
    made,
    update,
)

_KNOWN = (
    "amount credit_amount effective_at email_type invoice lines memo metadata"
    " out_of_band_amount reason refund_amount refunds"
)


def create(account: Account, params: Json) -> Json:
    """Issue a credit note."""
    note, lines, parts = _drawn_up(account, params)
    invoice = found(account, "invoice", note["invoice"])
    refund = _given_back(account, invoice, parts)
    account.rows[KIND][note["id"]] = note
    account.lines[note["id"]] = lines
    linked = [*parts.linked, *([(refund, parts.refund)] if refund else [])]
    note["refunds"] = [_link(row["id"], amount) for row, amount in linked]
    if parts.credit:
        note["customer_balance_transaction"] = _credit(account, note, parts.credit)
    account.emit("credit_note.created", note)
    _reduce(account, invoice, parts)
    return note


def preview(account: Account, params: Json) -> Json:
    """Return what a credit note would be, without issuing it."""
    note, lines, _ = _drawn_up(account, params)
    url = "/v1/credit_notes/preview/lines"
    return {**note, "object": KIND, "lines": page(lines, {"limit": 10}, url=url)}


def preview_lines(account: Account, params: Json) -> Json:
    """Return a page of the lines that a credit note would have."""
    _, lines, _ = _drawn_up(account, params)
    return page(lines, params, url="/v1/credit_notes/preview/lines")


def void(account: Account, reference: str) -> Json:
    """Take a credit note back, while its invoice is open."""
    note = found(account, KIND, reference)
    invoice = found(account, "invoice", note["invoice"])
    if note["status"] != "issued":
        raise refused("This credit note was voided already.")
    if invoice["status"] != "open" or note["post_payment_amount"]:
        raise refused("You can only void credit notes on open invoices.")
    note.update(status="void", voided_at=account.now())
    account.emit("credit_note.voided", note)
    _lower(account, invoice, -note["pre_payment_amount"], 0)
    invoice_payments.keep_up(account, invoice)
    return note


def change(account: Account, reference: str, params: Json) -> Json:
    """Change what is written on a credit note."""
    heed(params, "memo metadata")
    note = found(account, KIND, reference)
    return update(
        account,
        note,
        memo=params.get("memo", note["memo"]),
        metadata=merged(note["metadata"], params.get("metadata")),
    )


def retrieve(account: Account, reference: str) -> Json:
    """Return a credit note."""
    return found(account, KIND, reference)


def search(account: Account, params: Json) -> Json:
    """Return a page of credit notes, newest first."""
    heed(params, "customer invoice")
    rows = list(listed(account, KIND, params, by="customer invoice"))
    return page(rows, params, url="/v1/credit_notes")


def lines(account: Account, reference: str, params: Json) -> Json:
    """Return a page of a credit note's lines."""
    found(account, KIND, reference)
    url = f"/v1/credit_notes/{reference}/lines"
    return page(account.lines[reference], params, url=url)


def _drawn_up(account: Account, params: Json) -> tuple[Json, list[Json], Parts]:
    """Return a note that is not issued yet, its lines, and where its money goes."""
    heed(params, _KNOWN)
    invoice = found(account, "invoice", params["invoice"], param="invoice")
    if invoice["status"] not in ("open", "paid"):
        raise refused(
            "Credit notes can only be created for invoices that are open or paid, not"
            f" {invoice['status']}.",
            param="invoice",
        )
    rows = crediting.lines_of(account, invoice, params)
    totals = crediting.totals_of(rows)
    parts = crediting.parts_of(account, invoice, totals["total"], params)
    if parts.pre_payment:
        invoice_payments.check_not_on_its_way(account, invoice)
    number = 1 + sum(
        note["invoice"] == invoice["id"] for note in account.rows[KIND].values()
    )
    note = made(
        account,
        KIND,
        **totals,
        currency=invoice["currency"],
        customer=invoice["customer"],
        effective_at=params.get("effective_at", account.now()),
        invoice=invoice["id"],
        memo=params.get("memo"),
        metadata=merged({}, params.get("metadata")),
        number=f"{invoice['number']}-CN-{number:02d}",
        out_of_band_amount=parts.out_of_band or None,
        pdf=f"{account.base_url}/credit_notes/{invoice['id']}/{number}/pdf",
        post_payment_amount=parts.post_payment,
        pre_payment_amount=parts.pre_payment,
        reason=params.get("reason"),
        type=_type(parts),
    )
    return note, rows, parts


def _type(parts: Parts) -> str:
    if parts.pre_payment and parts.post_payment:
        return "mixed"
    return "pre_payment" if parts.pre_payment else "post_payment"


def _given_back(account: Account, invoice: Json, parts: Parts) -> Json | None:
    if not parts.refund:
        return None
    charge = crediting.charge_to_refund(account, invoice, parts.refund)
    return refunds.give_back(account, charge, parts.refund)


def _credit(account: Account, note: Json, amount: int) -> str | None:
    customer = account.customer(note["customer"], param="customer")
    why = {"currency": note["currency"], "credit_note": note["id"]}
    moved = balances.adjust(account, customer, -amount, kind=KIND, **why)
    return moved["id"] if moved else None


def _reduce(account: Account, invoice: Json, parts: Parts) -> None:
    _lower(account, invoice, parts.pre_payment, parts.post_payment)
    if parts.pre_payment:
        invoice_payments.keep_up(account, invoice)
        if not invoice["amount_remaining"]:
            collecting.settled(account, invoice)


def _lower(account: Account, invoice: Json, pre: int, post: int) -> None:
    """Lower what an invoice asks for; what was paid already is only counted."""
    counted = {
        "pre_payment_credit_notes_amount": pre,
        "post_payment_credit_notes_amount": post,
    }
    previous = changed(
        invoice,
        amount_due=invoice["amount_due"] - pre,
        amount_remaining=invoice["amount_remaining"] - pre,
        **{name: invoice[name] + amount for name, amount in counted.items()},
    )
    account.emit("invoice.updated", invoice, previous=previous)


def _link(refund: str, amount: int) -> Json:
    link = {"amount_refunded": amount, "payment_record_refund": None}
    return {**link, "refund": refund, "type": "refund"}


_PATH = "/v1/credit_notes"
ROUTES = (
    Route("POST", _PATH, sdk.CreditNoteCreateParams, on_account(create)),
    Route("GET", _PATH, sdk.CreditNoteListParams, on_account(search)),
    Route("GET", f"{_PATH}/preview", sdk.CreditNotePreviewParams, on_account(preview)),
    Route(
        "GET",
        f"{_PATH}/preview/lines",
        sdk.CreditNotePreviewLinesListParams,
        on_account(preview_lines),
    ),
    Route(
        "GET",
        f"{_PATH}/{{id}}",
        sdk.CreditNoteRetrieveParams,
        on_object_alone(retrieve),
    ),
    Route("POST", f"{_PATH}/{{id}}", sdk.CreditNoteUpdateParams, on_object(change)),
    Route(
        "GET",
        f"{_PATH}/{{id}}/lines",
        sdk.CreditNoteLineItemListParams,
        on_object(lines),
    ),
    Route(
        "POST",
        f"{_PATH}/{{id}}/void",
        sdk.CreditNoteVoidCreditNoteParams,
        on_object_alone(void),
    ),
)
