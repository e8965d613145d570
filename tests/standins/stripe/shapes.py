"""How a row of an account is shown, in an answer and inside an event alike."""

from typing import TYPE_CHECKING, Any

from tests.standins.stripe.lists import page

if TYPE_CHECKING:
    from tests.standins.stripe.account import Account

LINES_SHOWN = 10
_WITH_LINES = {"invoice": "invoices", "credit_note": "credit_notes"}


def shown(account: "Account", row: dict[str, Any]) -> dict[str, Any]:
    """Return the row as Stripe shows it: an invoice comes with its first lines."""
    collection = _WITH_LINES.get(row.get("object", ""))
    reference = str(row.get("id"))
    if collection is None or reference not in account.lines:
        return row
    url = f"/v1/{collection}/{reference}/lines"
    lines = page(account.lines[reference], {"limit": LINES_SHOWN}, url=url)
    return {**row, "lines": lines}


def presented(account: "Account", answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer as Stripe shows it: its object, or each row of its page."""
    if answer.get("object") != "list":
        return shown(account, answer)
    return {**answer, "data": [shown(account, row) for row in answer["data"]]}
