"""What the lines of a draft come to, with tax where Stripe computes it.

A draft says of its customer what is true now; finalising freezes it.
"""

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.world import taxing
from tests.standins.stripe.world.objects import changed

_COPIED = ("address", "email", "name", "phone", "shipping", "tax_exempt")


def copied(account: Account, customer: Json) -> Json:
    """Return what an invoice says of its customer."""
    rows = account.rows["tax_id"].values()
    ids = [row for row in rows if row["customer"] == customer["id"]]
    return {
        **{f"customer_{name}": customer[name] for name in _COPIED},
        "customer_tax_ids": [{"type": r["type"], "value": r["value"]} for r in ids],
    }


def add_up(account: Account, invoice: Json) -> Json:
    """Add a draft's lines up; return what was there before, where it differs."""
    lines = account.lines[invoice["id"]]
    status = _tax(account, invoice, lines)
    subtotal = sum(line["amount"] for line in lines)
    taxes = taxing.summed([tax for line in lines for tax in line["taxes"]])
    total = subtotal + sum(tax["amount"] for tax in taxes)
    due = max(0, total)
    return changed(
        invoice,
        automatic_tax={**invoice["automatic_tax"], "status": status},
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal,
        total=total,
        total_excluding_tax=subtotal,
        total_taxes=taxes,
        amount_due=due,
        amount_remaining=due,
    )


def refresh(account: Account, customer: Json) -> None:
    """Let a customer's drafts follow what changed of it."""
    for invoice in account.invoices.values():
        if invoice["status"] == "draft" and invoice["customer"] == customer["id"]:
            refresh_one(account, invoice, customer)


def refresh_one(account: Account, invoice: Json, customer: Json) -> None:
    """Let a draft follow what changed of its customer."""
    previous = changed(invoice, **copied(account, customer))
    if previous or invoice["automatic_tax"]["enabled"]:
        previous.update(add_up(account, invoice))
    if previous:
        account.emit("invoice.updated", invoice, previous=previous)


def _tax(account: Account, invoice: Json, lines: list[Json]) -> str | None:
    """Write the taxes of each line; return how that went."""
    payer = taxing.payer_of(account, account.customer(invoice["customer"]))
    enabled = invoice["automatic_tax"]["enabled"]
    if not enabled or not payer.is_located:
        for line in lines:
            line["taxes"] = []
        return "requires_location_inputs" if enabled else None
    taxes = payer.taxes(account.country)
    for line in lines:
        line["taxes"] = taxing.applied(account, taxes, line["amount"])
    return "complete"
