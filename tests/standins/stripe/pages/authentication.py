"""The bank's page: the customer confirms a payment or a stored card, or does not."""

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.pages.checkout import success_url
from tests.standins.stripe.pages.layout import Page, Visit, message, sent_on
from tests.standins.stripe.world import checkout, hosted, paying, setup_intents

_BODY = """<h1>Your bank asks</h1>
<p>Is it you who is using this card?</p>
<form method="post">
<button name="passed" value="yes">Confirm</button>
<button name="passed" value="no">Refuse</button>
</form>
"""


def found(account: Account, reference: str) -> Json | None:
    """Return the intent that a bank asks about."""
    for kind in (paying.KIND, setup_intents.KIND):
        if reference in account.rows[kind]:
            return account.rows[kind][reference]
    return None


def show(visit: Visit) -> Page:
    """Return the bank's question."""
    intent = found(visit.account, visit.reference)
    if intent is None or intent["status"] != "requires_action":
        return message(410, "There is nothing to confirm any more.")
    return Page(_BODY, title="Your bank asks")


def answer(visit: Visit) -> Page:
    """Take the customer's answer, and send it back to where it came from."""
    account = visit.account
    before = found(account, visit.reference) or {}
    action = before.get("next_action") or {}
    back = action.get("redirect_to_url", {}).get("return_url") or account.base_url
    passed = visit.form.get("passed") == "yes"
    intent = hosted.authenticate(account, visit.reference, passed=passed)
    session = _session_of(account, intent)
    if session is None:
        return sent_on(back)
    return sent_on(session["url"] or success_url(session))


def _session_of(account: Account, intent: Json) -> Json | None:
    for session in account.rows[checkout.KIND].values():
        if intent["id"] in (session["payment_intent"], session["setup_intent"]):
            return session
    return None
