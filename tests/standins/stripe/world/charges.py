"""Charges: each try to take money, whether it came or not."""

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.expanding import hidden
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import (
    Route,
    on_account,
    on_object,
    on_object_alone,
)
from tests.standins.stripe.world import funds
from tests.standins.stripe.world.cards import Decline
from tests.standins.stripe.world.objects import found, heed, listed, new, update

KIND = "charge"
_OUTCOME = {
    "advice_code": None,
    "network_advice_code": None,
    "network_decline_code": None,
    "network_status": "approved_by_network",
    "reason": None,
    "risk_level": "normal",
    "seller_message": "Payment complete.",
    "type": "authorized",
}


def begin(account: Account, intent: Json, method: Json, amount: int) -> Json:
    """Note a try to take money, whose end is still open."""
    return new(
        account,
        KIND,
        amount=amount,
        billing_details=dict(method["billing_details"]),
        calculated_statement_descriptor="STANDIN",
        captured=True,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        metadata=dict(intent["metadata"]),
        outcome=dict(_OUTCOME),
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details=_paid_with(method),
        receipt_email=intent["receipt_email"],
    )


def succeed(account: Account, charge: Json) -> Json:
    """Take the money."""
    amount = charge["amount"]
    kind = "charge" if charge["payment_method_details"]["type"] == "card" else "payment"
    moved = funds.move(account, charge, amount, kind=kind, fee=funds.charge_fee(amount))
    charge.update(
        amount_captured=amount,
        balance_transaction=moved["id"],
        paid=True,
        receipt_url=f"{account.base_url}/receipts/{charge['id']}",
        status="succeeded",
    )
    account.emit("charge.succeeded", charge)
    return charge


def fail(account: Account, charge: Json, why: Decline) -> Json:
    """Note that no money came, and why."""
    charge.update(
        captured=False,
        failure_code=why.code,
        failure_message=why.message,
        paid=False,
        status="failed",
    )
    charge["outcome"].update(
        network_decline_code="05",
        network_status="declined_by_network",
        reason=why.decline_code,
        seller_message="The bank did not return any further details.",
        type="issuer_declined",
    )
    account.emit("charge.failed", charge)
    return charge


def retrieve(account: Account, reference: str) -> Json:
    """Return a charge."""
    return found(account, KIND, reference)


def change(account: Account, reference: str, params: Json) -> Json:
    """Change what is written on a charge."""
    heed(params, "metadata description")
    charge = retrieve(account, reference)
    return update(
        account,
        charge,
        description=params.get("description", charge["description"]),
        metadata=merged(charge["metadata"], params.get("metadata")),
    )


def search(account: Account, params: Json) -> Json:
    """Return a page of charges, newest first."""
    heed(params, "customer payment_intent")
    rows = list(listed(account, KIND, params, by="customer payment_intent"))
    return page(rows, params, url="/v1/charges")


@hidden(KIND, "refunds")
def _refunds(account: Account, charge: Json) -> Json:
    rows = list(listed(account, "refund", {"charge": charge["id"]}, by="charge"))
    return page(rows, {}, url=f"/v1/charges/{charge['id']}/refunds")


def _paid_with(method: Json) -> Json:
    kind = method["type"]
    if kind == "sepa_debit":
        names = ("bank_code", "branch_code", "country", "fingerprint", "last4")
        details = {name: method[kind][name] for name in names}
        return {"type": kind, kind: {**details, "mandate": None}}
    shown = "brand checks country exp_month exp_year fingerprint funding last4 wallet"
    details = {name: method[kind][name] for name in shown.split()}
    unknown = (
        "amount_authorized",
        "authorization_code",
        "installments",
        "mandate",
        "network_token",
        "network_transaction_id",
        "three_d_secure",
        "transaction_link_id",
    )
    return {
        "type": kind,
        kind: {
            **dict.fromkeys(unknown),
            **details,
            "extended_authorization": {"status": "disabled"},
            "incremental_authorization": {"status": "unavailable"},
            "multicapture": {"status": "unavailable"},
            "regulated_status": method[kind]["regulated_status"],
            "network": method[kind]["brand"],
            "overcapture": {"maximum_amount_capturable": 0, "status": "unavailable"},
        },
    }


ROUTES = (
    Route("GET", "/v1/charges", sdk.ChargeListParams, on_account(search)),
    Route(
        "GET", "/v1/charges/{id}", sdk.ChargeRetrieveParams, on_object_alone(retrieve)
    ),
    Route("POST", "/v1/charges/{id}", sdk.ChargeUpdateParams, on_object(change)),
)
