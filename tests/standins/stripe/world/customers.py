"""Customers: who is charged, with what by default, and what they carry over."""

import re
import string
from typing import Any

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import missing, refused
from tests.standins.stripe.expanding import hidden
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import (
    Route,
    on_account,
    on_object,
    on_object_alone,
)
from tests.standins.stripe.world import balances, methods, tax_ids, taxing, totals
from tests.standins.stripe.world.objects import changed, heed, listed, made

# What is a minute old is found, says Stripe.
INDEX_LAG_S = 60
_QUERY = re.compile(r"metadata\['(\w+)'\]:'([\w.:-]+)'")
_PLAIN = (
    "description email name phone preferred_locales tax_exempt next_invoice_sequence"
    " invoice_prefix"
)
_KNOWN = f"{_PLAIN} address balance invoice_settings metadata shipping tax"


def create(account: Account, params: Json) -> Json:
    """Add a customer."""
    heed(params, f"{_KNOWN} payment_method tax_id_data")
    # What is refused leaves nothing behind, so the account gets it last.
    customer = made(account, "customer", invoice_prefix=_prefix(account))
    for given in params.get("tax_id_data", []):
        tax_ids.check(given)
    if "payment_method" in params:
        methods.put(account, params["payment_method"], customer)
    changed(customer, **_fields(account, customer, params))
    account.customers[customer["id"]] = customer
    account.emit("customer.created", customer)
    for given in params.get("tax_id_data", []):
        tax_ids.add(account, customer, given)
    if params.get("balance"):
        balances.adjust(account, customer, params["balance"], kind="initial")
    return customer


def retrieve(account: Account, reference: str) -> Json:
    """Return a customer, or what is left of a deleted one."""
    gone = account.gone.get(reference)
    return account.customer(reference) if gone is None else gone


def update(account: Account, reference: str, params: Json) -> Json:
    """Change a customer."""
    heed(params, _KNOWN)
    customer = account.customer(reference)
    previous = changed(customer, **_fields(account, customer, params))
    if previous:
        account.emit("customer.updated", customer, previous=previous)
        totals.refresh(account, customer)
    if "balance" in params:
        difference = params["balance"] - customer["balance"]
        balances.adjust(account, customer, difference)
    return customer


def delete(account: Account, reference: str) -> Json:
    """Delete a customer: it can no longer be charged; its invoices stay."""
    customer = account.customer(reference)
    for method in methods.of_customer(account, reference):
        methods.take_off(account, method)
    del account.customers[reference]
    gone = {"id": reference, "object": "customer", "deleted": True}
    account.gone[reference] = gone
    account.emit("customer.deleted", customer)
    return gone


def search(account: Account, params: Json) -> Json:
    """Return a page of customers, newest first."""
    heed(params, "email")
    rows = list(listed(account, "customer", params, by="email"))
    return page(rows, params, url="/v1/customers")


def searched(account: Account, params: Json) -> Json:
    """Return the customers whose metadata says so, as far as the index has come."""
    heed(params, "query")
    asked = _QUERY.fullmatch(params["query"])
    if asked is None:
        raise refused("This stand-in searches metadata['key']:'value' alone.")
    name, value = asked.groups()
    indexed = account.now() - INDEX_LAG_S
    rows = [
        row
        for row in listed(account, "customer", {})
        if row["metadata"].get(name) == value and row["created"] <= indexed
    ]
    more = {"object": "search_result", "next_page": None}
    return {**page(rows, params, url="/v1/customers/search"), **more}


def payment_methods(account: Account, reference: str, params: Json) -> Json:
    """Return a page of what a customer can be charged with, newest first."""
    account.customer(reference, param="customer")
    url = f"/v1/customers/{reference}/payment_methods"
    return methods.search(account, {**params, "customer": reference}, url=url)


def payment_method(account: Account, parts: dict[str, str], _: Json) -> Json:
    """Return one of a customer's payment methods."""
    method = methods.retrieve(account, parts["method"])
    if method["customer"] != parts["id"]:
        raise missing("payment_method", parts["method"])
    return method


def _fields(account: Account, customer: Json, params: Json) -> dict[str, Any]:
    fields = {name: params[name] or None for name in _PLAIN.split() if name in params}
    fields["metadata"] = merged(customer["metadata"], params.get("metadata"))
    if "shipping" in params:
        fields["shipping"] = params["shipping"] or None
    if "address" in params:
        fields["address"] = methods.address(params["address"])
    if params.get("tax", {}).get("validate_location") == "immediately":
        where = {**customer, **fields}
        if not taxing.payer_of(account, where).is_located:
            raise taxing.not_located()
    if "tax_exempt" in params:
        fields["tax_exempt"] = params["tax_exempt"] or "none"
    if "invoice_settings" in params:
        fields["invoice_settings"] = _settings(account, customer, params)
    return fields


def _settings(account: Account, customer: Json, params: Json) -> Json:
    given = params["invoice_settings"]
    heed(given, "default_payment_method custom_fields footer")
    reference = given.get("default_payment_method")
    if reference:
        method = methods.retrieve(account, reference, param="invoice_settings")
        if method["customer"] != customer["id"]:
            raise refused(
                "The customer does not have a payment method with the ID"
                f" {reference}. The payment method must be attached to the customer.",
                code="resource_missing",
                param="invoice_settings[default_payment_method]",
            )
    cleaned = {name: value or None for name, value in given.items()}
    return {**customer["invoice_settings"], **cleaned}


@hidden("customer", "tax")
def _tax(account: Account, customer: Json) -> Json:
    payer = taxing.payer_of(account, customer)
    located = payer.is_located and payer.address is not None
    place = payer.address or {}
    where = {name: place.get(name) for name in ("country", "state")}
    return {
        "automatic_tax": "supported" if located else "unrecognized_location",
        "ip_address": None,
        "location": {**where, "source": "billing_address"} if located else None,
        "provider": "stripe",
    }


def _prefix(account: Account) -> str:
    number, letters = len(account.customers) + len(account.gone) + 1, ""
    for _ in range(8):
        number, digit = divmod(number, 26)
        letters = string.ascii_uppercase[digit] + letters
    return letters


ROUTES = (
    Route("POST", "/v1/customers", sdk.CustomerCreateParams, on_account(create)),
    Route("GET", "/v1/customers", sdk.CustomerListParams, on_account(search)),
    Route(
        "GET", "/v1/customers/search", sdk.CustomerSearchParams, on_account(searched)
    ),
    Route(
        "GET",
        "/v1/customers/{id}",
        sdk.CustomerRetrieveParams,
        on_object_alone(retrieve),
    ),
    Route("POST", "/v1/customers/{id}", sdk.CustomerUpdateParams, on_object(update)),
    Route(
        "DELETE",
        "/v1/customers/{id}",
        sdk.CustomerDeleteParams,
        on_object_alone(delete),
    ),
    Route(
        "GET",
        "/v1/customers/{id}/payment_methods",
        sdk.CustomerPaymentMethodListParams,
        on_object(payment_methods),
    ),
    Route(
        "GET",
        "/v1/customers/{id}/payment_methods/{method}",
        sdk.CustomerPaymentMethodRetrieveParams,
        payment_method,
    ),
)
