"""Setup intents: a card or account is made ready to be charged without its owner."""

import copy
import secrets
from typing import Any

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import ApiError, invalid, refused
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import (
    Route,
    on_account,
    on_object,
    on_object_alone,
)
from tests.standins.stripe.world import declines, methods
from tests.standins.stripe.world.cards import Decline
from tests.standins.stripe.world.objects import found, heed, listed, new
from tests.standins.stripe.world.paying import Watcher, customer_of

KIND = "setup_intent"
TYPES = ["card", "sepa_debit"]
_STARTED = ("requires_payment_method", "requires_confirmation", "requires_action")
_NOT_SET_UP = Decline(
    declines.NOT_AUTHENTICATED.message, "setup_intent_authentication_failure", None
)


def create(account: Account, params: Json) -> Json:
    """Make a setup intent, and try it when asked to."""
    heed(
        params,
        "automatic_payment_methods confirm customer description metadata payment_method"
        " return_url usage allowed_payment_method_types",
    )
    reference = params.get("customer")
    customer = account.customer(reference, param="customer") if reference else None
    intent = make(
        account,
        customer,
        description=params.get("description"),
        metadata=merged({}, params.get("metadata")),
        usage=params.get("usage", "off_session"),
        payment_method_types=params.get("allowed_payment_method_types", TYPES),
    )
    if params.get("payment_method"):
        intent["payment_method"] = _usable(account, intent, params)["id"]
        intent["status"] = "requires_confirmation"
    account.emit("setup_intent.created", intent)
    return _tried(account, intent, params) if params.get("confirm") else intent


def make(
    account: Account,
    customer: Json | None,
    *,
    watcher: Watcher | None = None,
    **fields: Any,
) -> Json:
    """Add a setup intent to the account; its maker tells the world of it."""
    intent = new(
        account,
        KIND,
        automatic_payment_methods={"allow_redirects": "always", "enabled": True},
        customer=customer["id"] if customer else None,
        **fields,
    )
    intent["client_secret"] = f"{intent['id']}_secret_{secrets.token_hex(8)}"
    if watcher is not None:
        account.watchers[intent["id"]] = watcher
    return intent


def confirm(account: Account, reference: str, params: Json) -> Json:
    """Try a setup intent."""
    heed(params, "payment_method return_url mandate_data use_stripe_sdk")
    intent = found(account, KIND, reference)
    if intent["status"] not in _STARTED[:2]:
        raise _unexpected(intent)
    if params.get("payment_method"):
        intent["payment_method"] = _usable(account, intent, params)["id"]
    return _tried(account, intent, params)


def attempt(
    account: Account, intent: Json, method: Json, *, return_url: str | None = None
) -> ApiError | None:
    """Try to set a payment method up; return the refusal, if there was one."""
    card = account.instruments[method["id"]].card
    intent.update(payment_method=method["id"], last_setup_error=None)
    if card.authentication != "never":
        url = f"{account.base_url}/authenticate/{intent['id']}"
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": return_url, "url": url},
        }
        intent["status"] = "requires_action"
        account.emit("setup_intent.requires_action", intent)
        return None
    if card.refuses_to_attach is not None:
        return _failed(account, intent, method, card.refuses_to_attach)
    _succeeded(account, intent, method)
    return None


def authenticate(account: Account, reference: str, *, passed: bool) -> Json:
    """Let the customer answer what the bank asks of it, rightly or not."""
    intent = found(account, KIND, reference)
    if intent["status"] != "requires_action":
        raise _unexpected(intent)
    method = found(account, methods.KIND, intent["payment_method"])
    if passed:
        _succeeded(account, intent, method)
    else:
        _failed(account, intent, method, _NOT_SET_UP)
    return intent


def cancel(account: Account, reference: str, params: Json) -> Json:
    """End a setup intent that came to nothing."""
    heed(params, "cancellation_reason")
    intent = found(account, KIND, reference)
    if intent["status"] not in _STARTED:
        raise _unexpected(intent)
    intent.update(
        cancellation_reason=params.get("cancellation_reason"),
        next_action=None,
        status="canceled",
    )
    account.emit("setup_intent.canceled", intent)
    return intent


def retrieve(account: Account, reference: str) -> Json:
    """Return a setup intent."""
    return found(account, KIND, reference)


def search(account: Account, params: Json) -> Json:
    """Return a page of setup intents, newest first."""
    heed(params, "customer payment_method")
    rows = list(listed(account, KIND, params, by="customer payment_method"))
    return page(rows, params, url="/v1/setup_intents")


def _tried(account: Account, intent: Json, params: Json) -> Json:
    if intent["payment_method"] is None:
        raise refused("This SetupIntent is missing a payment method.")
    method = found(account, methods.KIND, intent["payment_method"])
    url = params.get("return_url")
    refusal = attempt(account, intent, method, return_url=url)
    if refusal is not None:
        raise refusal
    return intent


def _succeeded(account: Account, intent: Json, method: Json) -> None:
    intent.update(next_action=None, status="succeeded")
    instrument = account.instruments[method["id"]]
    instrument.set_up = intent["usage"] == "off_session"
    customer = customer_of(account, intent)
    if customer is not None:
        methods.keep(account, method, customer)
    account.emit("setup_intent.succeeded", intent)
    _tell(account, intent, "succeeded")


def _failed(account: Account, intent: Json, method: Json, why: Decline) -> ApiError:
    error = declines.described(why, method)
    intent.update(
        last_setup_error=error,
        next_action=None,
        payment_method=None,
        status="requires_payment_method",
    )
    account.emit("setup_intent.setup_failed", intent)
    _tell(account, intent, "failed")
    return declines.CardError(account, error, setup_intent=intent)


def _tell(account: Account, intent: Json, what: str) -> None:
    watcher = account.watchers.get(intent["id"])
    if watcher is not None:
        watcher(what)


def _usable(account: Account, intent: Json, params: Json) -> Json:
    method = methods.retrieve(account, params["payment_method"])
    if method["customer"] not in (None, intent["customer"]):
        raise refused("The PaymentMethod belongs to another customer.")
    if account.instruments[method["id"]].spent:
        raise refused(methods.USED)
    if method["type"] not in intent["payment_method_types"]:
        raise invalid(f"This SetupIntent does not take {method['type']}.")
    return method


def _unexpected(intent: Json) -> ApiError:
    error = refused(
        f"This SetupIntent's status is {intent['status']}: you cannot do that.",
        code="setup_intent_unexpected_state",
    )
    error.body["error"]["setup_intent"] = copy.deepcopy(intent)
    return error


ROUTES = (
    Route("POST", "/v1/setup_intents", sdk.SetupIntentCreateParams, on_account(create)),
    Route("GET", "/v1/setup_intents", sdk.SetupIntentListParams, on_account(search)),
    Route(
        "GET",
        "/v1/setup_intents/{id}",
        sdk.SetupIntentRetrieveParams,
        on_object_alone(retrieve),
    ),
    Route(
        "POST",
        "/v1/setup_intents/{id}/confirm",
        sdk.SetupIntentConfirmParams,
        on_object(confirm),
    ),
    Route(
        "POST",
        "/v1/setup_intents/{id}/cancel",
        sdk.SetupIntentCancelParams,
        on_object(cancel),
    ),
)
