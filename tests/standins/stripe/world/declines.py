"""Card errors: what a bank's or an issuer's no looks like to the caller."""

import copy
from typing import Any

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.world.cards import Decline

AUTHENTICATE = Decline(
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
    "authentication_required",
)
NOT_AUTHENTICATED = Decline(
    "We are unable to authenticate your payment method. Please choose a different"
    " payment method and try again.",
    "payment_intent_authentication_failure",
    None,
)


def described(why: Decline, method: Json, *, charge: str | None = None) -> Json:
    """Return a refusal as an intent keeps it: `last_payment_error` and its like."""
    error: Json = {
        "type": "card_error",
        "code": why.code,
        "doc_url": f"https://stripe.com/docs/error-codes/{why.code}",
        "message": why.message,
        "payment_method": copy.deepcopy(method),
    }
    if why.decline_code is not None:
        error["decline_code"] = why.decline_code
    if charge is not None:
        error["charge"] = charge
    return error


class CardError(ApiError):
    """A 402 that says what was tried, kept under the key like any answer."""

    def __init__(self, account: Account, why: Json, **objects: Any) -> None:
        super().__init__(402, why["message"], kind="card_error", code=why["code"])
        details = {name: value for name, value in why.items() if value is not None}
        self.body["error"].update(details)
        for name, row in objects.items():
            self.body["error"][name] = copy.deepcopy(row)
        self.body["error"]["request_log_url"] = (
            f"https://dashboard.stripe.com/{account.id}/logs/{account.request.id}"
        )
