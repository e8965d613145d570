"""What a credit note comes to: its lines and their tax, and where the money goes.

What is not paid yet is reduced first; the rest was paid, and every unit of it must go
somewhere: back by refund, to the customer's balance, or out of band.
"""

from dataclasses import dataclass
from typing import Any

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import invalid, missing, refused
from tests.standins.stripe.world import charges, invoice_payments, refunds
from tests.standins.stripe.world.objects import found, heed, listed, made

KIND = "credit_note"
LINE = "credit_note_line_item"


@dataclass(frozen=True, slots=True)
class Parts:
    """How a credit note's total falls apart, and what is done with what was paid."""

    pre_payment: int
    post_payment: int
    refund: int
    credit: int
    out_of_band: int
    linked: tuple[tuple[Json, int], ...]


def lines_of(account: Account, invoice: Json, params: Json) -> list[Json]:
    """Return the lines of a credit note as asked for, with their tax."""
    if "lines" in params:
        return [_line(account, invoice, given) for given in params["lines"]]
    if "amount" not in params:
        raise invalid("Give `lines` or `amount`.", param="lines")
    amount: int = params["amount"]
    if invoice["total"] != invoice["total_excluding_tax"]:
        raise invalid("This stand-in credits an invoice with tax by `lines` only.")
    return [made(account, LINE, amount=amount, description="Credit", quantity=1)]


def parts_of(account: Account, invoice: Json, total: int, params: Json) -> Parts:
    """Return where the money goes, checked to be all of it."""
    issued = sum(note["total"] for note in issued_of(account, invoice))
    if total < 1:
        raise invalid("The amount of a credit note must be positive.", param="amount")
    if issued + total > invoice["total"]:
        raise refused(
            f"The credit notes of this invoice would come to {issued + total}, more"
            f" than its total of {invoice['total']}.",
            param="amount",
        )
    pre = min(total, invoice["amount_remaining"])
    linked = tuple(_linked(account, invoice, row) for row in params.get("refunds", []))
    given = {
        name: params.get(f"{name}_amount", 0)
        for name in ("refund", "credit", "out_of_band")
    }
    sum_given = sum(given.values()) + sum(amount for _, amount in linked)
    if sum_given != total - pre:
        raise refused(
            "The sum of credit amount, refund amount and out of band amount"
            f" ({sum_given}) must equal the post payment amount ({total - pre})."
        )
    return Parts(pre, total - pre, linked=linked, **given)


def issued_of(account: Account, invoice: Json) -> list[Json]:
    """Return the credit notes of an invoice that were not voided, newest first."""
    rows = listed(account, KIND, {"invoice": invoice["id"]}, by="invoice")
    return [row for row in rows if row["status"] == "issued"]


def totals_of(lines: list[Json]) -> Json:
    """Return the sums of a credit note."""
    subtotal = sum(line["amount"] for line in lines)
    taxes = [tax for line in lines for tax in line["taxes"]]
    tax = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    inclusive = sum(tax["amount"] for tax in taxes) - tax
    return {
        "amount": subtotal + tax,
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - inclusive,
        "total": subtotal + tax,
        "total_excluding_tax": subtotal - inclusive,
        "total_taxes": taxes,
    }


def charge_to_refund(account: Account, invoice: Json, amount: int) -> Json:
    """Return the charge of an invoice that so much can be given back of."""
    for charge in _charges(account, invoice):
        if charge["amount"] - charge["amount_refunded"] >= amount:
            return charge
    raise refused(
        "The refund amount is greater than what was paid through Stripe.",
        param="refund_amount",
    )


def _line(account: Account, invoice: Json, given: Json) -> Json:
    if given["type"] == "invoice_line_item":
        heed(given, "type invoice_line_item amount quantity metadata")
        return _of_line(account, invoice, given)
    heed(given, "type description quantity unit_amount amount metadata")
    if invoice["automatic_tax"]["enabled"]:
        raise refused("An invoice with automatic tax is credited by its lines.")
    if "unit_amount" not in given or "amount" in given:
        raise invalid("A custom line has a `unit_amount`.", param="lines")
    quantity = given.get("quantity", 1)
    return made(
        account,
        LINE,
        amount=given["unit_amount"] * quantity,
        description=given.get("description"),
        metadata=merged({}, given.get("metadata")),
        quantity=quantity,
        unit_amount=given["unit_amount"],
        unit_amount_decimal=str(given["unit_amount"]),
    )


def _of_line(account: Account, invoice: Json, given: Json) -> Json:
    reference = given.get("invoice_line_item", "")
    rows = account.lines[invoice["id"]]
    line = next((row for row in rows if row["id"] == reference), None)
    if line is None:
        raise missing("invoice line item", reference, param="invoice_line_item")
    if ("amount" in given) == ("quantity" in given):
        raise invalid("Give one of `amount` and `quantity`.", param="lines")
    quantity = given.get("quantity")
    amount: int = (
        given["amount"]
        if quantity is None
        else line["amount"] * quantity // max(1, line["quantity"])
    )
    left = line["amount"] - _credited(account, invoice, reference)
    if not 0 < amount <= left:
        raise refused(
            f"The amount {amount} is more than can be credited of the line ({left}).",
            param="lines",
        )
    return made(
        account,
        LINE,
        amount=amount,
        description=line["description"],
        invoice_line_item=reference,
        metadata=merged({}, given.get("metadata")),
        quantity=quantity,
        taxes=[_share(tax, amount, line["amount"]) for tax in line["taxes"] or []],
        type="invoice_line_item",
    )


def _share(tax: Json, amount: int, of: int) -> Json:
    """Return a line's tax on a part of its amount, rounded half up."""
    share = {**tax, "taxable_amount": tax["taxable_amount"] * amount // of}
    return {**share, "amount": (2 * tax["amount"] * amount + of) // (2 * of)}


def _credited(account: Account, invoice: Json, reference: str) -> int:
    return sum(
        line["amount"]
        for note in issued_of(account, invoice)
        for line in account.lines[note["id"]]
        if line.get("invoice_line_item") == reference
    )


def _linked(account: Account, invoice: Json, given: Json) -> tuple[Json, int]:
    heed(given, "refund amount_refunded type")
    if given.get("type", "refund") != "refund":
        raise invalid("This stand-in links refunds only.", param="refunds")
    refund = found(account, refunds.KIND, given.get("refund", ""), param="refunds")
    of_invoice = {charge["id"] for charge in _charges(account, invoice)}
    used = sum(
        row["amount_refunded"]
        for note in account.rows[KIND].values()
        for row in note["refunds"]
        if row["refund"] == refund["id"]
    )
    amount = int(given.get("amount_refunded") or refund["amount"])
    if refund["charge"] not in of_invoice:
        raise refused(
            "The refund is not of a payment of this invoice.", param="refunds"
        )
    if amount < 1 or used + amount > refund["amount"]:
        raise refused("More is linked than was refunded.", param="refunds")
    return refund, amount


def _charges(account: Account, invoice: Json) -> list[Json]:
    paid: list[Any] = [
        invoice_payments.intent_of(account, payment)["latest_charge"]
        for payment in invoice_payments.of_invoice(account, invoice)
        if payment["status"] == "paid"
    ]
    return [found(account, charges.KIND, reference) for reference in paid]
