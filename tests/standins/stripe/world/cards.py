"""Stripe's test cards and bank accounts: what each number does when money is asked.

Owns: the table. Numbers and tokens are those of Stripe's own test mode, so that the
same scenario runs against a real test account.
"""

from dataclasses import dataclass
from typing import Literal

from tests.standins.stripe.errors import ApiError, refused

Authentication = Literal["never", "unless_set_up", "always"]
Refunding = Literal["at_once", "later", "fails_later"]
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a bank says no."""

    message: str = "Your card was declined."
    code: str = "card_declined"
    decline_code: str | None = "generic_decline"


DECLINED = Decline()
NO_FUNDS = Decline(
    "Your card has insufficient funds.", decline_code="insufficient_funds"
)
EXPIRED = Decline("Your card has expired.", "expired_card", "expired_card")
ERROR = Decline(
    "An error occurred while processing your card. Try again in a little bit.",
    "processing_error",
    "processing_error",
)
BANK_REFUSED = Decline(
    "The customer's bank account could not be debited.",
    "payment_intent_payment_attempt_failed",
    "generic_decline",
)


@dataclass(frozen=True, slots=True)
class Card:
    """A number that can be paid with, and what happens then."""

    number: str
    tokens: tuple[str, ...]
    kind: Literal["card", "sepa_debit"] = "card"
    brand: str = "visa"
    # Saying no when it is stored, and when it is charged.
    refuses_to_attach: Decline | None = None
    refuses_to_pay: Decline | None = None
    authentication: Authentication = "never"
    disputed: str | None = None
    refunds: Refunding = "at_once"
    # A card answers at once; a bank account takes its time.
    settles_after_s: int = 0

    @property
    def last4(self) -> str:
        """Return the digits that people are shown."""
        return self.number[-4:]


@dataclass(slots=True)
class Instrument:
    """What stands behind a payment method, which the API never shows."""

    card: Card
    set_up: bool = False
    spent: bool = False


def _refusing(number: str, token: str, why: Decline) -> Card:
    tokens = (f"pm_card_{token}", f"pm_card_visa_{token}")
    return Card(number, tokens, refuses_to_attach=why, refuses_to_pay=why)


CARDS = (
    Card("4242424242424242", ("pm_card_visa",)),
    Card("5555555555554444", ("pm_card_mastercard",), brand="mastercard"),
    Card("378282246310005", ("pm_card_amex",), brand="amex"),
    _refusing("4000000000000002", "chargeDeclined", DECLINED),
    _refusing("4000000000009995", "chargeDeclinedInsufficientFunds", NO_FUNDS),
    _refusing("4000000000000069", "chargeDeclinedExpiredCard", EXPIRED),
    _refusing("4000000000000119", "chargeDeclinedProcessingError", ERROR),
    Card("4000000000000341", ("pm_card_chargeCustomerFail",), refuses_to_pay=DECLINED),
    Card(
        "4000002500003155",
        ("pm_card_authenticationRequiredOnSetup",),
        authentication="unless_set_up",
    ),
    Card(
        "4000002760003184",
        ("pm_card_authenticationRequired",),
        authentication="always",
    ),
    Card(
        "4000008260003178",
        ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",),
        authentication="always",
        refuses_to_pay=NO_FUNDS,
    ),
    Card("4000000000000259", ("pm_card_createDispute",), disputed="fraudulent"),
    Card(
        "4000000000002685",
        ("pm_card_createDisputeProductNotReceived",),
        disputed="product_not_received",
    ),
    Card("4000000000007726", ("pm_card_pendingRefund",), refunds="later"),
    Card("4000000000005126", ("pm_card_refundFail",), refunds="fails_later"),
)
_SEPA_TOKENS = {
    "DE89370400440532013000": ("pm_success_de", 10, None, None),
    "DE08370400440532013003": ("pm_successDelayed_de", 3 * DAY_S, None, None),
    "DE62370400440532013001": ("pm_failed_de", 10, BANK_REFUSED, None),
    "DE78370400440532013004": ("pm_failedDelayed_de", 3 * DAY_S, BANK_REFUSED, None),
    "DE35370400440532013002": ("pm_disputed_de", 10, None, "fraudulent"),
}
BANK_ACCOUNTS = tuple(
    Card(
        iban,
        (token,),
        kind="sepa_debit",
        brand="",
        refuses_to_pay=why,
        disputed=disputed,
        settles_after_s=after_s,
    )
    for iban, (token, after_s, why, disputed) in _SEPA_TOKENS.items()
)
_BY_NUMBER = {card.number: card for card in (*CARDS, *BANK_ACCOUNTS)}
_BY_TOKEN = {token: card for card in _BY_NUMBER.values() for token in card.tokens}
_OLD_TOKENS = {"tok_visa": "pm_card_visa", "tok_mastercard": "pm_card_mastercard"}


def by_number(number: str) -> Card:
    """Return the card or account with this number; only test numbers are known."""
    card = _BY_NUMBER.get(number.replace(" ", "").upper())
    if card is None:
        raise ApiError(
            402,
            "Your card number is incorrect.",
            kind="card_error",
            code="incorrect_number",
            param="number",
        )
    return card


def by_token(token: str) -> Card | None:
    """Return the card that a test token stands for, or None when it is no token."""
    return _BY_TOKEN.get(_OLD_TOKENS.get(token, token))


def token_of(token: str) -> Card:
    """Return the card of a token that must be one."""
    card = by_token(token)
    if card is None:
        raise refused(f"No such token: '{token}'", code="resource_missing")
    return card
