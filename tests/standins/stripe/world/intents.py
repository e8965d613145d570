"""Payment intents over the API: made, confirmed, changed and cancelled by a caller."""

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import invalid, refused
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import (
    Route,
    on_account,
    on_object,
    on_object_alone,
)
from tests.standins.stripe.world import amounts, methods, paying
from tests.standins.stripe.world.objects import changed, found, heed, listed
from tests.standins.stripe.world.paying import (
    KIND,
    Try,
    customer_of,
    end,
    make,
    unexpected,
)

_STARTED = ("requires_payment_method", "requires_confirmation", "requires_action")
_PLAIN = "description metadata receipt_email setup_future_usage"
_CONFIRMING = (
    "off_session payment_method return_url error_on_requires_action mandate_data"
    " use_stripe_sdk setup_future_usage receipt_email"
)
_TYPES = "allowed_payment_method_types automatic_payment_methods"


def create(account: Account, params: Json) -> Json:
    """Make an intent, and try to pay it when asked to."""
    known = f"amount currency customer confirm {_PLAIN} {_CONFIRMING} {_TYPES}"
    heed(params, known)
    confirm_now = params.get("confirm", False)
    for name in ("off_session", "return_url", "error_on_requires_action"):
        if params.get(name) and not confirm_now:
            raise invalid(f"`{name}` goes only with `confirm`.", param=name)
    amounts.check_charge(params["amount"], params["currency"].lower())
    reference = params.get("customer")
    customer = account.customer(reference, param="customer") if reference else None
    # What would be refused leaves nothing behind, so it is looked at first.
    method = _method(account, params, customer)
    types = _types(params, params["currency"].lower())
    if method is not None:
        _check_type(types, method)
    intent = make(
        account,
        customer,
        amount=params["amount"],
        currency=params["currency"],
        **{name: params[name] for name in _PLAIN.split() if name in params},
    )
    intent.update(types)
    if method is not None:
        intent.update(payment_method=method["id"], status="requires_confirmation")
    account.emit("payment_intent.created", intent)
    if confirm_now:
        _confirmed(account, intent, params)
    return intent


def confirm(account: Account, reference: str, params: Json) -> Json:
    """Try to pay an intent."""
    heed(params, _CONFIRMING)
    intent = found(account, KIND, reference)
    _check_own(account, intent, "confirm")
    method = _method(account, params, customer_of(account, intent))
    if intent["status"] not in _STARTED[:2]:
        raise unexpected(intent, "confirm it")
    if method is not None:
        _check_type(intent, method)
        intent["payment_method"] = method["id"]
    for name in ("setup_future_usage", "receipt_email"):
        intent[name] = params.get(name) or intent[name]
    return _confirmed(account, intent, params)


def cancel(account: Account, reference: str, params: Json) -> Json:
    """End an intent that was not paid."""
    heed(params, "cancellation_reason")
    intent = found(account, KIND, reference)
    _check_own(account, intent, "cancel")
    if intent["status"] not in _STARTED:
        raise unexpected(intent, "cancel it")
    return end(account, intent, params.get("cancellation_reason"))


def change(account: Account, reference: str, params: Json) -> Json:
    """Change an intent that was not paid."""
    known = "amount currency customer payment_method allowed_payment_method_types"
    heed(params, f"{known} {_PLAIN}")
    intent = found(account, KIND, reference)
    if params.keys() - {"metadata", "description", "expand"}:
        _check_own(account, intent, "update")
        if intent["status"] not in _STARTED[:2]:
            raise unexpected(intent, "update it")
    fields = {name: params[name] for name in params if name in intent}
    fields["metadata"] = merged(intent["metadata"], params.get("metadata"))
    if "allowed_payment_method_types" in params:
        fields.update(_types(params, str(fields.get("currency", intent["currency"]))))
    if {"amount", "currency"} & fields.keys():
        asked = {**intent, **fields}
        amounts.check_charge(asked["amount"], asked["currency"])
    method = _method(account, params, customer_of(account, {**intent, **fields}))
    if method is not None:
        _check_type(intent, method)
        fields.update(payment_method=method["id"], status="requires_confirmation")
    # Stripe sends no event for this change.
    changed(intent, **fields)
    return intent


def _confirmed(account: Account, intent: Json, params: Json) -> Json:
    if intent["payment_method"] is None:
        raise refused(
            "You cannot confirm this PaymentIntent because it's missing a payment"
            " method.",
            code="payment_intent_unexpected_state",
        )
    automatic = intent["automatic_payment_methods"]
    redirects = automatic and automatic.get("allow_redirects") != "never"
    if redirects and not params.get("return_url"):
        raise refused(
            "This PaymentIntent is configured to accept payment methods enabled in your"
            " Dashboard. Because some of these payment methods might redirect your"
            " customer off of your page, you must provide a `return_url`, or set"
            " `automatic_payment_methods[allow_redirects]` to `never`."
        )
    method = found(account, methods.KIND, intent["payment_method"])
    how = Try(
        off_session=bool(params.get("off_session")),
        return_url=params.get("return_url"),
        refuse_action=params.get("error_on_requires_action", False),
    )
    refusal = paying.attempt(account, intent, method, how)
    if refusal is not None:
        raise refusal
    return intent


def _check_own(account: Account, intent: Json, what: str) -> None:
    if intent["id"] in account.watchers:
        raise refused(
            f"You cannot {what} this PaymentIntent: it belongs to an invoice or a"
            " Checkout Session.",
            code="payment_intent_unexpected_state",
        )


def _method(account: Account, params: Json, customer: Json | None) -> Json | None:
    reference = params.get("payment_method")
    if not reference:
        return None
    method = methods.retrieve(account, reference)
    owner = method["customer"]
    if owner is not None and owner != (customer or {}).get("id"):
        raise refused(
            "The provided PaymentMethod belongs to another customer, or you forgot to"
            " give its `customer`.",
            param="payment_method",
        )
    if account.instruments[method["id"]].spent:
        raise refused(methods.USED, param="payment_method")
    return method


def _types(params: Json, currency: str) -> Json:
    """Return how an intent may be paid: what is allowed, and fits its currency."""
    automatic = params.get("automatic_payment_methods", {"enabled": True})
    allowed = params.get("allowed_payment_method_types")
    possible = ["card", "sepa_debit"] if currency == "eur" else ["card"]
    redirects = automatic.get("allow_redirects", "always" if not allowed else "never")
    return {
        "automatic_payment_methods": {
            "allow_redirects": redirects,
            "enabled": automatic["enabled"],
        },
        "payment_method_types": [
            kind for kind in possible if allowed is None or kind in allowed
        ],
    }


def _check_type(intent: Json, method: Json) -> None:
    if method["type"] not in intent["payment_method_types"]:
        raise refused(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this"
            " PaymentIntent. Its types are"
            f" {', '.join(intent['payment_method_types'])}.",
            param="payment_method",
        )


def retrieve(account: Account, reference: str) -> Json:
    """Return an intent."""
    return found(account, KIND, reference)


def search(account: Account, params: Json) -> Json:
    """Return a page of intents, newest first."""
    heed(params, "customer")
    rows = list(listed(account, KIND, params, by="customer"))
    return page(rows, params, url="/v1/payment_intents")


ROUTES = (
    Route(
        "POST", "/v1/payment_intents", sdk.PaymentIntentCreateParams, on_account(create)
    ),
    Route(
        "GET", "/v1/payment_intents", sdk.PaymentIntentListParams, on_account(search)
    ),
    Route(
        "GET",
        "/v1/payment_intents/{id}",
        sdk.PaymentIntentRetrieveParams,
        on_object_alone(retrieve),
    ),
    Route(
        "POST",
        "/v1/payment_intents/{id}",
        sdk.PaymentIntentUpdateParams,
        on_object(change),
    ),
    Route(
        "POST",
        "/v1/payment_intents/{id}/confirm",
        sdk.PaymentIntentConfirmParams,
        on_object(confirm),
    ),
    Route(
        "POST",
        "/v1/payment_intents/{id}/cancel",
        sdk.PaymentIntentCancelParams,
        on_object(cancel),
    ),
)
