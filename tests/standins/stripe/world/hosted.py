"""What a person does on Stripe's pages: pays an invoice, or answers the bank.

The pages themselves are `pages`; here is what their buttons do. A checkout's and the
portal's are in `checkout` and `portal`.
"""

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.world import (
    cards,
    collecting,
    invoice_payments,
    methods,
    paying,
    setup_intents,
)
from tests.standins.stripe.world.paying import Try


def pay_invoice(account: Account, reference: str, number: str) -> Json:
    """Pay an open invoice by a card's number; return its payment intent.

    Raises `CardError` when the bank says no. An intent that `requires_action` waits
    for `authenticate`, one that is `processing` for the clock.
    """
    invoice = collecting.payable(account, reference)
    method = methods.of_card(account, cards.by_number(number))
    payment = invoice_payments.default_of(account, invoice)
    how = Try(return_url=invoice["hosted_invoice_url"])
    refusal = collecting.charge(account, invoice, method, how)
    if refusal is not None:
        raise refusal
    return invoice_payments.intent_of(account, payment) if payment else {}


def authenticate(account: Account, intent: str, *, passed: bool) -> Json:
    """Answer what the bank asks, rightly or not; return the intent it asked for."""
    if intent in account.rows[setup_intents.KIND]:
        return setup_intents.authenticate(account, intent, passed=passed)
    return paying.authenticate(account, intent, passed=passed)
