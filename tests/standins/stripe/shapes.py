"""How a row of an account is shown, in an answer and inside an event alike."""

from typing import TYPE_CHECKING, Any

from tests.standins.stripe.lists import page

if TYPE_CHECKING:
    from tests.standins.stripe.account import Account

LINES_SHOWN = 10


def shown(account: "Account", row: dict[str, Any]) -> dict[str, Any]:
    """Return the row as Stripe shows it: an invoice comes with its first lines."""
    if row["object"] != "invoice" or "deleted" in row:
        return row
    reference = row["id"]
    url = f"/v1/invoices/{reference}/lines"
    lines = page(account.lines.get(reference, []), {"limit": LINES_SHOWN}, url=url)
    return {**row, "lines": lines}
