"""The account's own money: each charge, refund and dispute moves it, less a fee."""

from functools import partial

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import Route, on_account, on_object_alone
from tests.standins.stripe.world.objects import found, heed, listed, new

KIND = "balance_transaction"
DAY_S = 86_400
PAYOUT_S = 2 * DAY_S
_CATEGORIES = {
    "adjustment": "dispute",
    "charge": "charge",
    "payment": "charge",
    "payment_refund": "refund",
    "refund": "refund",
    "refund_failure": "refund_failure",
}


def charge_fee(amount: int) -> int:
    """Return what Stripe keeps of a charge: 2.9 per cent and thirty."""
    return (amount * 29 + 500) // 1000 + 30


def move(
    account: Account, source: Json, amount: int, *, kind: str, fee: int = 0
) -> Json:
    """Move the account's money, because of a charge, a refund or a dispute."""
    details = {
        "amount": fee,
        "application": None,
        "currency": source["currency"],
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    row = new(
        account,
        KIND,
        amount=amount,
        available_on=account.now() + PAYOUT_S,
        currency=source["currency"],
        description=source.get("description"),
        fee=fee,
        fee_details=[details] if fee else [],
        net=amount - fee,
        reporting_category=_CATEGORIES[kind],
        source=source["id"],
        type=kind,
    )
    # It is never looked at before it is asked for, so nothing has to happen then.
    account.later(row["available_on"], partial(row.update, status="available"))
    return row


def search(account: Account, params: Json) -> Json:
    """Return a page of moves, newest first."""
    heed(params, "source type currency")
    rows = list(listed(account, KIND, params, by="source type currency"))
    return page(rows, params, url="/v1/balance_transactions")


def retrieve(account: Account, reference: str) -> Json:
    """Return one move."""
    return found(account, KIND, reference)


ROUTES = (
    Route(
        "GET",
        "/v1/balance_transactions",
        sdk.BalanceTransactionListParams,
        on_account(search),
    ),
    Route(
        "GET",
        "/v1/balance_transactions/{id}",
        sdk.BalanceTransactionRetrieveParams,
        on_object_alone(retrieve),
    ),
)
