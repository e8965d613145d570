"""A customer's tax ids: who it is to its country's tax office."""

from functools import partial

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.errors import missing, refused
from tests.standins.stripe.expanding import hidden
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import Route, on_object
from tests.standins.stripe.world import totals
from tests.standins.stripe.world.objects import found, heed, listed, new

KIND = "tax_id"
# How long the tax office takes to say whether it knows a number.
ANSWER_S = 60
# Numbers of Stripe's test mode.
_UNKNOWN, _NEVER_ANSWERED = "111111111", "222222222"
_LENGTHS = {"eu_vat": (8, 14), "us_ein": (9, 10), "gb_vat": (9, 14)}


def create(account: Account, reference: str, params: Json) -> Json:
    """Give a customer a tax id."""
    heed(params, "type value")
    customer = account.customer(reference, param="customer")
    row = add(account, customer, params)
    totals.refresh(account, customer)
    return row


def add(account: Account, customer: Json, given: Json) -> Json:
    """Give a customer a tax id; one whose form is wrong is refused."""
    check(given)
    kind, value = given["type"], given["value"]
    owner = {"customer": customer["id"], "customer_account": None, "type": "customer"}
    row = new(
        account,
        KIND,
        country=value[:2].upper() if kind == "eu_vat" else kind[:2].upper(),
        customer=customer["id"],
        owner=owner,
        type=kind,
        value=value,
    )
    if kind != "eu_vat":
        row["verification"]["status"] = "unavailable"
    account.emit("customer.tax_id.created", row)
    if kind == "eu_vat" and not value.endswith(_NEVER_ANSWERED):
        account.later(account.now() + ANSWER_S, partial(_verified, account, row))
    return row


def _verified(account: Account, row: Json) -> None:
    if row["id"] in account.rows[KIND]:
        unknown = row["value"].endswith(_UNKNOWN)
        previous = {"verification": dict(row["verification"])}
        row["verification"]["status"] = "unverified" if unknown else "verified"
        account.emit("customer.tax_id.updated", row, previous=previous)


def check(given: Json) -> None:
    """Refuse a tax id whose form is wrong."""
    kind = given["type"]
    shortest, longest = _LENGTHS.get(kind, (2, 40))
    if not shortest <= len(given["value"]) <= longest:
        why = f"Invalid value for {kind}."
        raise refused(why, code="tax_id_invalid", param="value")


def delete(account: Account, parts: dict[str, str], _: Json) -> Json:
    """Take a tax id from a customer."""
    row = retrieve(account, parts, {})
    del account.rows[KIND][row["id"]]
    account.emit("customer.tax_id.deleted", row)
    totals.refresh(account, account.customer(parts["id"]))
    return {"id": row["id"], "object": KIND, "deleted": True}


def retrieve(account: Account, parts: dict[str, str], _: Json) -> Json:
    """Return one of a customer's tax ids."""
    row = found(account, KIND, parts["row"])
    if row["customer"] != parts["id"]:
        raise missing(KIND, parts["row"])
    return row


def search(account: Account, reference: str, params: Json) -> Json:
    """Return a page of a customer's tax ids, newest first."""
    heed(params, "")
    account.customer(reference, param="customer")
    rows = list(listed(account, KIND, {"customer": reference}, by="customer"))
    return page(rows, params, url=f"/v1/customers/{reference}/tax_ids")


@hidden("customer", "tax_ids")
def _tax_ids(account: Account, customer: Json) -> Json:
    return search(account, customer["id"], {})


_PATH = "/v1/customers/{id}/tax_ids"
ROUTES = (
    Route("POST", _PATH, sdk.CustomerTaxIdCreateParams, on_object(create)),
    Route("GET", _PATH, sdk.CustomerTaxIdListParams, on_object(search)),
    Route("GET", f"{_PATH}/{{row}}", sdk.CustomerTaxIdRetrieveParams, retrieve),
    Route("DELETE", f"{_PATH}/{{row}}", sdk.CustomerTaxIdDeleteParams, delete),
)
