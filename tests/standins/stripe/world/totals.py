"""What the lines of an invoice come to."""

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.world.objects import changed


def add_up(account: Account, invoice: Json) -> Json:
    """Add a draft's lines up; return what was there before, where it differs."""
    subtotal = sum(line["amount"] for line in account.lines[invoice["id"]])
    due = max(0, subtotal)
    return changed(
        invoice,
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal,
        total=subtotal,
        total_excluding_tax=subtotal,
        amount_due=due,
        amount_remaining=due,
    )
