"""What a customer carries from one invoice to the next, and why it changed.

A positive balance is owed by the customer, a negative one is owed to it.
"""

from typing import Any

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import invalid, missing
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import Route, on_object
from tests.standins.stripe.world.objects import found, heed, listed, new, update

KIND = "customer_balance_transaction"


def adjust(
    account: Account,
    customer: Json,
    amount: int,
    *,
    kind: str = "adjustment",
    **fields: Any,
) -> Json | None:
    """Move a customer's balance, with the row that says why; nothing for nothing."""
    if not amount:
        return None
    balance = customer["balance"] + amount
    row = new(
        account,
        KIND,
        amount=amount,
        currency=fields.pop("currency", customer["currency"] or "usd"),
        customer=customer["id"],
        ending_balance=balance,
        type=kind,
        **fields,
    )
    update(account, customer, balance=balance)
    return row


def create(account: Account, reference: str, params: Json) -> Json:
    """Adjust a customer's balance by hand."""
    heed(params, "amount currency description metadata")
    customer = account.customer(reference, param="customer")
    currency = params["currency"].lower()
    if customer["currency"] not in (None, currency):
        raise invalid(
            f"The customer's currency is {customer['currency']}.", param="currency"
        )
    update(account, customer, currency=currency)
    row = adjust(
        account,
        customer,
        params["amount"],
        currency=currency,
        description=params.get("description"),
        metadata=merged({}, params.get("metadata")),
    )
    if row is None:
        raise invalid("The amount must not be zero.", param="amount")
    return row


def search(account: Account, reference: str, params: Json) -> Json:
    """Return a page of what moved a customer's balance, newest first."""
    heed(params, "invoice")
    account.customer(reference, param="customer")
    wanted = {**params, "customer": reference}
    rows = list(listed(account, KIND, wanted, by="customer invoice"))
    url = f"/v1/customers/{reference}/balance_transactions"
    return page(rows, params, url=url)


def retrieve(account: Account, parts: dict[str, str], _: Json) -> Json:
    """Return one move of a customer's balance."""
    row = found(account, KIND, parts["row"])
    if row["customer"] != parts["id"]:
        raise missing(KIND, parts["row"])
    return row


_PATH = "/v1/customers/{id}/balance_transactions"
ROUTES = (
    Route("POST", _PATH, sdk.CustomerBalanceTransactionCreateParams, on_object(create)),
    Route("GET", _PATH, sdk.CustomerBalanceTransactionListParams, on_object(search)),
    Route(
        "GET",
        f"{_PATH}/{{row}}",
        sdk.CustomerBalanceTransactionRetrieveParams,
        retrieve,
    ),
)
