"""Payment methods: test cards and bank accounts, on their own or a customer's."""

from collections.abc import Iterator
from typing import Any

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
from tests.standins.stripe.world import cards, declines
from tests.standins.stripe.world.cards import Card, Instrument
from tests.standins.stripe.world.objects import found, heed, listed, new, update

KIND = "payment_method"
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
USED = (
    "The provided PaymentMethod was previously used with a PaymentIntent without"
    " Customer attachment, shared with a connected account without Customer"
    " attachment, or was detached from a Customer. It may not be used again."
)


def create(account: Account, params: Json) -> Json:
    """Make a payment method of a test number or token, of nobody yet."""
    heed(params, "type card sepa_debit billing_details metadata allow_redisplay")
    kind = params.get("type")
    if kind == "card" and "card" in params:
        heed(params["card"], "number token exp_month exp_year cvc")
        given = params["card"]
        by_token = "token" in given
        card = (
            cards.token_of(given["token"])
            if by_token
            else cards.by_number(given.get("number", ""))
        )
    elif kind == "sepa_debit" and "sepa_debit" in params:
        card = cards.by_number(params["sepa_debit"]["iban"])
    else:
        raise invalid("This stand-in makes `card` and `sepa_debit`.", param="type")
    if card.kind != kind:
        raise invalid(f"This is no number of a {kind}.", param=kind)
    method = of_card(account, card, **_common(params))
    for name in ("exp_month", "exp_year"):
        method[kind].update({k: v for k, v in params[kind].items() if k == name})
    return method


def of_card(account: Account, card: Card, **fields: Any) -> Json:
    """Make a payment method of a test card or account."""
    method = new(account, KIND, type=card.kind, **fields)
    method[card.kind] = _details(card)
    account.instruments[method["id"]] = Instrument(card)
    return method


def retrieve(
    account: Account, reference: str, *, param: str = "payment_method"
) -> Json:
    """Return a payment method; a test token makes a new one each time."""
    card = cards.by_token(reference)
    if card is not None:
        return of_card(account, card)
    return found(account, KIND, reference, param=param)


def change(account: Account, reference: str, params: Json) -> Json:
    """Change what is written on a payment method."""
    heed(params, "billing_details metadata allow_redisplay")
    method = found(account, KIND, reference)
    if method["customer"] is None:
        raise refused("You must save this PaymentMethod to a customer first.")
    fields = _common(params)
    fields["metadata"] = merged(method["metadata"], params.get("metadata"))
    return update(account, method, **fields)


def attach(account: Account, reference: str, params: Json) -> Json:
    """Give a payment method to a customer."""
    heed(params, "customer")
    customer = account.customer(params.get("customer", ""), param="customer")
    return put(account, reference, customer)


def put(account: Account, reference: str, customer: Json) -> Json:
    """Give a payment method to a customer; the bank may refuse to have it stored."""
    method = retrieve(account, reference)
    instrument = account.instruments[method["id"]]
    if method["customer"] not in (None, customer["id"]):
        raise refused(
            "The payment method you provided has already been attached to a customer."
        )
    if instrument.spent:
        raise refused(USED)
    why = instrument.card.refuses_to_attach
    if why is not None:
        raise declines.CardError(account, declines.described(why, method))
    return keep(account, method, customer)


def keep(account: Account, method: Json, customer: Json) -> Json:
    """Note whose a payment method is from now on."""
    if method["customer"] is None:
        method["customer"] = customer["id"]
        account.emit("payment_method.attached", method)
    return method


def detach(account: Account, reference: str) -> Json:
    """Take a payment method from its customer, for good."""
    method = found(account, KIND, reference)
    if method["customer"] is None:
        raise refused(
            "The payment method you provided is not attached to a customer so"
            " detachment is impossible."
        )
    return take_off(account, method)


def take_off(account: Account, method: Json) -> Json:
    """Take a payment method off a customer; it is not the default any longer."""
    customer = account.customer(method["customer"])
    settings = customer["invoice_settings"]
    account.instruments[method["id"]].spent = True
    method["customer"] = None
    account.emit(
        "payment_method.detached", method, previous={"customer": customer["id"]}
    )
    if settings["default_payment_method"] == method["id"]:
        unset = {**settings, "default_payment_method": None}
        update(account, customer, invoice_settings=unset)
    return method


def renew(account: Account, reference: str, *, exp_year: int) -> Json:
    """Let the bank issue a card anew, which Stripe hears of by itself."""
    method = found(account, KIND, reference)
    previous = {"card": dict(method["card"])}
    method["card"] = {**method["card"], "exp_year": exp_year}
    account.emit("payment_method.automatically_updated", method, previous=previous)
    return method


def of_customer(account: Account, reference: str) -> Iterator[Json]:
    """Yield a customer's payment methods, newest first."""
    # A copy, so that what is taken off on the way does not disturb the walk.
    yield from list(listed(account, KIND, {"customer": reference}, by="customer"))


def search(account: Account, params: Json, *, url: str = "/v1/payment_methods") -> Json:
    """Return a page of payment methods, newest first."""
    heed(params, "customer type allow_redisplay")
    if "customer" in params:
        account.customer(params["customer"], param="customer")
    rows = list(listed(account, KIND, params, by="customer type allow_redisplay"))
    return page(rows, params, url=url)


def address(given: Any) -> Json | None:
    """Return an address with all its fields, or None for an empty one."""
    if not given:
        return None
    return {name: given.get(name) or None for name in _ADDRESS}


def _common(params: Json) -> Json:
    fields: Json = {}
    if "billing_details" in params:
        given = params["billing_details"]
        names = ("email", "name", "phone", "tax_id")
        fields["billing_details"] = {
            "address": address(given.get("address")),
            **{name: given.get(name) or None for name in names},
        }
    if "metadata" in params:
        fields["metadata"] = merged({}, params["metadata"])
    if "allow_redisplay" in params:
        fields["allow_redisplay"] = params["allow_redisplay"]
    return fields


def _details(card: Card) -> Json:
    if card.kind == "sepa_debit":
        return {
            "bank_code": card.number[4:12],
            "branch_code": "",
            "country": card.number[:2],
            "fingerprint": f"fp{card.number[-8:]}",
            "generated_from": {"charge": None, "setup_attempt": None},
            "last4": card.last4,
        }
    return {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 8,
        "exp_year": 2034,
        "fingerprint": f"fp{card.number[-8:]}",
        "funding": "credit",
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


ROUTES = (
    Route(
        "POST", "/v1/payment_methods", sdk.PaymentMethodCreateParams, on_account(create)
    ),
    Route(
        "GET", "/v1/payment_methods", sdk.PaymentMethodListParams, on_account(search)
    ),
    Route(
        "GET",
        "/v1/payment_methods/{id}",
        sdk.PaymentMethodRetrieveParams,
        on_object_alone(retrieve),
    ),
    Route(
        "POST",
        "/v1/payment_methods/{id}",
        sdk.PaymentMethodUpdateParams,
        on_object(change),
    ),
    Route(
        "POST",
        "/v1/payment_methods/{id}/attach",
        sdk.PaymentMethodAttachParams,
        on_object(attach),
    ),
    Route(
        "POST",
        "/v1/payment_methods/{id}/detach",
        sdk.PaymentMethodDetachParams,
        on_object_alone(detach),
    ),
)
