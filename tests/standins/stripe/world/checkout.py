"""Checkout sessions: a page on which a customer pays once, or stores a card.

open -> complete | expired. A slow payment completes the session unpaid, and says later
whether the money came. `complete` is what the page's button does.
"""

from functools import partial

from stripe.params import checkout as checkout_sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import invalid, refused
from tests.standins.stripe.expanding import hidden
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import (
    Route,
    on_account,
    on_object,
    on_object_alone,
)
from tests.standins.stripe.world import (
    basket,
    cards,
    customers,
    methods,
    paying,
    setup_intents,
)
from tests.standins.stripe.world.objects import found, heed, listed, new
from tests.standins.stripe.world.paying import Try

KIND = "checkout.session"
LIFE_S = 24 * 3600
LIFE_MIN_S = 30 * 60
_PLAIN = "cancel_url client_reference_id customer_creation customer_email locale"
_KNOWN = (
    f"{_PLAIN} allowed_payment_method_types billing_address_collection currency"
    " customer customer_update expires_at line_items metadata mode payment_intent_data"
    " saved_payment_method_options setup_intent_data submit_type success_url ui_mode"
)
_INTENT_DATA = "description metadata receipt_email setup_future_usage"


def create(account: Account, params: Json) -> Json:
    """Open a session."""
    heed(params, _KNOWN)
    mode = params.get("mode")
    if mode not in ("payment", "setup"):
        raise invalid(
            "This stand-in has the modes `payment` and `setup`.", param="mode"
        )
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise invalid("This stand-in has hosted pages only.", param="ui_mode")
    if not params.get("success_url"):
        raise invalid("Missing required param: success_url.", param="success_url")
    reference = params.get("customer")
    customer = account.customer(reference, param="customer") if reference else None
    fields = (
        basket.priced(account, params) if mode == "payment" else basket.unpriced(params)
    )
    lines = fields.pop("lines")
    session = new(
        account,
        KIND,
        **{name: params[name] for name in _PLAIN.split() if name in params},
        **fields,
        customer=reference,
        customer_details=_details(customer, params.get("customer_email")),
        expires_at=_expiry(account, params),
        metadata=merged({}, params.get("metadata")),
        mode=mode,
        success_url=params["success_url"],
    )
    account.lines[session["id"]] = lines
    session["url"] = f"{account.base_url}/checkout/{session['id']}"
    account.checkout_data[session["id"]] = _intent_data(params, mode)
    if mode == "setup":
        _make_setup_intent(account, session)
    account.later(session["expires_at"], partial(_expire_when_due, account, session))
    return session


def complete(
    account: Account, reference: str, number: str, *, email: str | None = None
) -> Json:
    """Pay, or store a card, on the session's page; return its intent.

    Raises `CardError` when the bank says no; the session stays open then. An intent
    that `requires_action` waits for `hosted.authenticate`.
    """
    session = found(account, KIND, reference)
    if session["status"] != "open":
        raise refused(f"This Checkout Session is {session['status']}.")
    card = cards.by_number(number)
    if card.kind not in session["payment_method_types"]:
        raise refused(f"This page does not take {card.kind}.")
    _note_customer(account, session, email)
    details = {"email": session["customer_details"]["email"]}
    method = methods.of_card(account, card)
    method["billing_details"].update(details)
    if session["mode"] == "setup":
        intent = found(account, setup_intents.KIND, session["setup_intent"])
        url = session["success_url"]
        refusal = setup_intents.attempt(account, intent, method, return_url=url)
    else:
        intent = _intent(account, session)
        how = Try(return_url=session["success_url"])
        refusal = paying.attempt(account, intent, method, how)
    if refusal is not None:
        raise refusal
    return intent


def expire(account: Account, reference: str) -> Json:
    """Close a session that is still open."""
    session = found(account, KIND, reference)
    if session["status"] != "open":
        raise refused(
            'Only Checkout Sessions with a status in ["open"] can be expired. This'
            f" Checkout Session has a status of `{session['status']}`."
        )
    session.update(status="expired", url=None)
    if session["payment_intent"] is not None:
        intent = found(account, paying.KIND, session["payment_intent"])
        paying.end(account, intent, "abandoned")
    account.emit("checkout.session.expired", session)
    return session


def change(account: Account, reference: str, params: Json) -> Json:
    """Change what is written on a session."""
    heed(params, "metadata")
    session = found(account, KIND, reference)
    session["metadata"] = merged(session["metadata"], params.get("metadata"))
    return session


def retrieve(account: Account, reference: str) -> Json:
    """Return a session."""
    return found(account, KIND, reference)


def search(account: Account, params: Json) -> Json:
    """Return a page of sessions, newest first."""
    heed(params, "customer payment_intent status")
    rows = list(listed(account, KIND, params, by="customer payment_intent status"))
    return page(rows, params, url="/v1/checkout/sessions")


def line_items(account: Account, reference: str, params: Json) -> Json:
    """Return a page of what a session sells."""
    found(account, KIND, reference)
    url = f"/v1/checkout/sessions/{reference}/line_items"
    return page(account.lines[reference], params, url=url)


@hidden(KIND, "line_items")
def _line_items(account: Account, session: Json) -> Json:
    return line_items(account, session["id"], {})


def _intent(account: Account, session: Json) -> Json:
    """Return the session's payment intent, made when somebody first tries to pay."""
    if session["payment_intent"] is not None:
        return found(account, paying.KIND, session["payment_intent"])
    intent = paying.make(
        account,
        account.customers.get(session["customer"] or ""),
        watcher=partial(_moved, account, session),
        amount=session["amount_total"],
        currency=session["currency"],
        payment_method_types=session["payment_method_types"],
        **account.checkout_data[session["id"]],
    )
    session["payment_intent"] = intent["id"]
    account.emit("payment_intent.created", intent)
    return intent


def _make_setup_intent(account: Account, session: Json) -> None:
    intent = setup_intents.make(
        account,
        account.customers.get(session["customer"] or ""),
        watcher=partial(_moved, account, session),
        payment_method_types=session["payment_method_types"],
        **account.checkout_data[session["id"]],
    )
    session["setup_intent"] = intent["id"]
    account.emit("setup_intent.created", intent)


def _moved(account: Account, session: Json, what: str) -> None:
    """Follow the session's intent."""
    was_open = session["status"] == "open"
    if what == "succeeded" and session["mode"] == "payment":
        session["payment_status"] = "paid"
    if was_open and what in ("succeeded", "processing"):
        session.update(status="complete", url=None)
        account.emit("checkout.session.completed", session)
    elif not was_open and what in ("succeeded", "failed"):
        account.emit(f"checkout.session.async_payment_{what}", session)


def _note_customer(account: Account, session: Json, email: str | None) -> None:
    details = session["customer_details"]
    details["email"] = details["email"] or email
    if session["customer"] is None and session["customer_creation"] == "always":
        asked = {"email": details["email"]} if details["email"] else {}
        session["customer"] = customers.create(account, asked)["id"]


def _expire_when_due(account: Account, session: Json) -> None:
    if session["status"] == "open":
        expire(account, session["id"])


def _expiry(account: Account, params: Json) -> int:
    now = account.now()
    at: int = params.get("expires_at", now + LIFE_S)
    # A minute's grace, for the caller's clock and the way here.
    if not now + LIFE_MIN_S - 60 <= at <= now + LIFE_S + 60:
        raise invalid(
            "The `expires_at` timestamp must be at least 30 minutes and at most 24"
            " hours from Checkout Session creation.",
            param="expires_at",
        )
    return at


def _intent_data(params: Json, mode: str) -> Json:
    wrong = "setup_intent_data" if mode == "payment" else "payment_intent_data"
    if wrong in params:
        raise invalid(f"You can not pass `{wrong}` in `{mode}` mode.", param=wrong)
    data = params.get(f"{mode}_intent_data", {})
    heed(data, _INTENT_DATA if mode == "payment" else "description metadata")
    return {**data, "metadata": merged({}, data.get("metadata"))}


def _details(customer: Json | None, email: str | None) -> Json:
    customer = customer or {}
    return {
        "address": customer.get("address"),
        "business_name": None,
        "email": customer.get("email") or email,
        "individual_name": None,
        "name": customer.get("name"),
        "phone": customer.get("phone"),
        "tax_exempt": customer.get("tax_exempt", "none"),
        "tax_ids": [],
    }


_PATH = "/v1/checkout/sessions"
ROUTES = (
    Route("POST", _PATH, checkout_sdk.SessionCreateParams, on_account(create)),
    Route("GET", _PATH, checkout_sdk.SessionListParams, on_account(search)),
    Route(
        "GET",
        f"{_PATH}/{{id}}",
        checkout_sdk.SessionRetrieveParams,
        on_object_alone(retrieve),
    ),
    Route(
        "POST", f"{_PATH}/{{id}}", checkout_sdk.SessionUpdateParams, on_object(change)
    ),
    Route(
        "POST",
        f"{_PATH}/{{id}}/expire",
        checkout_sdk.SessionExpireParams,
        on_object_alone(expire),
    ),
    Route(
        "GET",
        f"{_PATH}/{{id}}/line_items",
        checkout_sdk.SessionLineItemListParams,
        on_object(line_items),
    ),
)
