"""One try to pay an intent, and what comes of it, at once or later.

requires_payment_method -> (requires_action | processing) -> succeeded; a refusal leads
back to the start. Whoever made the intent for a purpose of its own, an invoice or a
checkout, watches it and is told when it moves.
"""

import copy
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.errors import ApiError, refused
from tests.standins.stripe.world import charges, declines, disputes, methods
from tests.standins.stripe.world.cards import Decline
from tests.standins.stripe.world.objects import found, new

KIND = "payment_intent"
Watcher = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Try:
    """How one try to pay goes about it."""

    off_session: bool = False
    return_url: str | None = None
    refuse_action: bool = False


def make(
    account: Account,
    customer: Json | None,
    *,
    watcher: Watcher | None = None,
    **fields: object,
) -> Json:
    """Add an intent to the account; its maker tells the world of it."""
    intent = new(
        account,
        KIND,
        customer=customer["id"] if customer else None,
        **{**fields, "currency": str(fields["currency"]).lower()},
    )
    intent["client_secret"] = f"{intent['id']}_secret_{secrets.token_hex(8)}"
    if watcher is not None:
        account.watchers[intent["id"]] = watcher
    return intent


def attempt(
    account: Account, intent: Json, method: Json, how: Try | None = None
) -> ApiError | None:
    """Try to pay an intent with this method; return the refusal, if there was one.

    The intent holds the outcome either way, as it does at Stripe.
    """
    how = how or Try()
    instrument = account.instruments[method["id"]]
    card = instrument.card
    intent.update(payment_method=method["id"], last_payment_error=None)
    if _needs_authentication(account, intent, method, how):
        if how.off_session or how.refuse_action:
            return _declined(account, intent, method, declines.AUTHENTICATE)
        _ask_for_authentication(account, intent, how)
        return None
    if card.settles_after_s:
        _process(account, intent, method)
        return None
    if card.refuses_to_pay is not None:
        return _declined(account, intent, method, card.refuses_to_pay)
    charge = charges.begin(account, intent, method, intent["amount"])
    _succeed(account, intent, method, charge)
    return None


def authenticate(account: Account, reference: str, *, passed: bool) -> Json:
    """Let the customer answer what the bank asks of it, rightly or not."""
    intent = found(account, KIND, reference)
    if intent["status"] != "requires_action":
        raise unexpected(intent, "authenticate it")
    method = found(account, methods.KIND, intent["payment_method"])
    intent["next_action"] = None
    why = account.instruments[method["id"]].card.refuses_to_pay
    if not passed or why is not None:
        _declined(
            account,
            intent,
            method,
            why if passed and why else declines.NOT_AUTHENTICATED,
        )
        return intent
    charge = charges.begin(account, intent, method, intent["amount"])
    _succeed(account, intent, method, charge)
    return intent


def end(account: Account, intent: Json, reason: str | None) -> Json:
    """Cancel an intent, whoever it belongs to."""
    intent.update(
        canceled_at=account.now(),
        cancellation_reason=reason,
        next_action=None,
        status="canceled",
    )
    account.emit("payment_intent.canceled", intent)
    return intent


def unexpected(intent: Json, what: str) -> ApiError:
    """Return the refusal of what an intent's status does not allow."""
    error = refused(
        f"This PaymentIntent's status is {intent['status']}: you cannot {what}.",
        code="payment_intent_unexpected_state",
    )
    error.body["error"]["payment_intent"] = copy.deepcopy(intent)
    return error


def customer_of(account: Account, intent: Json) -> Json | None:
    return account.customers.get(intent["customer"] or "")


def _needs_authentication(
    account: Account, intent: Json, method: Json, how: Try
) -> bool:
    instrument = account.instruments[method["id"]]
    if instrument.card.authentication == "unless_set_up":
        return not (how.off_session and instrument.set_up)
    return instrument.card.authentication == "always"


def _ask_for_authentication(account: Account, intent: Json, how: Try) -> None:
    url = f"{account.base_url}/authenticate/{intent['id']}"
    redirect = {"redirect_to_url": {"return_url": how.return_url, "url": url}}
    sdk_action = {
        "use_stripe_sdk": {"stripe_js": url, "type": "three_d_secure_redirect"}
    }
    intent["next_action"] = (
        {"type": "redirect_to_url", **redirect}
        if how.return_url
        else {"type": "use_stripe_sdk", **sdk_action}
    )
    intent["status"] = "requires_action"
    account.emit("payment_intent.requires_action", intent)
    _tell(account, intent, "requires_action")


def _process(account: Account, intent: Json, method: Json) -> None:
    card = account.instruments[method["id"]].card
    charge = charges.begin(account, intent, method, intent["amount"])
    intent.update(
        latest_charge=charge["id"],
        processing={"type": card.kind},
        status="processing",
    )
    account.emit("charge.pending", charge)
    account.emit("payment_intent.processing", intent)
    _tell(account, intent, "processing")
    due = account.now() + card.settles_after_s
    account.later(due, partial(_settle, account, intent, method, charge))


def _settle(account: Account, intent: Json, method: Json, charge: Json) -> None:
    why = account.instruments[method["id"]].card.refuses_to_pay
    intent["processing"] = None
    if why is None:
        _succeed(account, intent, method, charge)
    else:
        _declined(account, intent, method, why, charge=charge)


def _succeed(account: Account, intent: Json, method: Json, charge: Json) -> None:
    charges.succeed(account, charge)
    instrument = account.instruments[method["id"]]
    intent.update(
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        next_action=None,
        status="succeeded",
    )
    customer = customer_of(account, intent)
    if intent["setup_future_usage"] and customer is not None:
        methods.keep(account, method, customer)
        instrument.set_up = intent["setup_future_usage"] == "off_session"
    instrument.spent = method["customer"] is None
    account.emit("payment_intent.succeeded", intent)
    _tell(account, intent, "succeeded")
    if instrument.card.disputed is not None:
        reason = instrument.card.disputed
        # A cardholder does not complain in the second of the payment.
        account.later(
            account.now() + 1, partial(disputes.opened, account, charge, reason)
        )


def _declined(
    account: Account,
    intent: Json,
    method: Json,
    why: Decline,
    *,
    charge: Json | None = None,
) -> ApiError:
    charge = charge or charges.begin(account, intent, method, intent["amount"])
    charges.fail(account, charge, why)
    error = declines.described(why, method, charge=charge["id"])
    intent.update(
        last_payment_error=error,
        latest_charge=charge["id"],
        next_action=None,
        payment_method=None,
        status="requires_payment_method",
    )
    account.emit("payment_intent.payment_failed", intent)
    _tell(account, intent, "failed")
    return declines.CardError(account, error, payment_intent=intent)


def _tell(account: Account, intent: Json, what: str) -> None:
    watcher = account.watchers.get(intent["id"])
    if watcher is not None:
        watcher(what)
