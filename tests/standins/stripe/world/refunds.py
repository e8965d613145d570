"""Refunds: money given back, at once, later, or in the end not after all."""

from functools import partial

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
from tests.standins.stripe.world import charges, funds, paying
from tests.standins.stripe.world.objects import (
    changed,
    found,
    heed,
    listed,
    new,
    update,
)

KIND = "refund"
# How long a bank takes to say that a refund came, or could not come.
BANK_S = 3 * 86_400


def create(account: Account, params: Json) -> Json:
    """Give money of a charge back."""
    heed(params, "amount charge payment_intent reason metadata")
    charge = _charge(account, params)
    amount = params.get("amount", charge["amount"] - charge["amount_refunded"])
    return give_back(
        account,
        charge,
        amount,
        metadata=merged({}, params.get("metadata")),
        reason=params.get("reason"),
    )


def give_back(account: Account, charge: Json, amount: int, **fields: object) -> Json:
    """Give so much of a charge back; how soon it is there is up to the card."""
    _check(charge, amount)
    instrument = account.instruments[charge["payment_method"]]
    slow = instrument.card.refunds == "later" or instrument.card.kind != "card"
    kind = instrument.card.kind
    refund = new(
        account,
        KIND,
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        destination_details={"type": kind, kind: _destination(slow=slow)},
        payment_intent=charge["payment_intent"],
        **fields,
    )
    move = "refund" if kind == "card" else "payment_refund"
    refund["balance_transaction"] = funds.move(account, refund, -amount, kind=move)[
        "id"
    ]
    refund["status"] = "pending" if slow else "succeeded"
    previous = _take(account, charge, amount)
    account.emit("refund.created", refund)
    account.emit("charge.refunded", charge, previous=previous)
    if slow:
        account.later(account.now() + BANK_S, partial(_arrive, account, refund))
    if instrument.card.refunds == "fails_later":
        account.later(account.now() + BANK_S, partial(_fail, account, refund, charge))
    return refund


def retrieve(account: Account, reference: str) -> Json:
    """Return a refund."""
    return found(account, KIND, reference)


def change(account: Account, reference: str, params: Json) -> Json:
    """Change what is written on a refund."""
    heed(params, "metadata")
    refund = retrieve(account, reference)
    metadata = merged(refund["metadata"], params.get("metadata"))
    return update(account, refund, metadata=metadata)


def cancel(account: Account, reference: str) -> Json:
    """Refuse: only a refund that waits for its customer could be cancelled."""
    refund = retrieve(account, reference)
    raise refused(f"A refund that is {refund['status']} cannot be cancelled.")


def search(account: Account, params: Json) -> Json:
    """Return a page of refunds, newest first."""
    heed(params, "charge payment_intent")
    rows = list(listed(account, KIND, params, by="charge payment_intent"))
    return page(rows, params, url="/v1/refunds")


def _charge(account: Account, params: Json) -> Json:
    if ("charge" in params) == ("payment_intent" in params):
        raise invalid("Give one of `charge` and `payment_intent`.", param="charge")
    if "charge" in params:
        return found(account, charges.KIND, params["charge"], param="charge")
    reference = params["payment_intent"]
    intent = found(account, paying.KIND, reference, param="payment_intent")
    if intent["status"] != "succeeded":
        raise refused(
            f"This PaymentIntent ({reference}) does not have a successful charge to"
            " refund.",
            param="payment_intent",
        )
    return found(account, charges.KIND, intent["latest_charge"])


def _check(charge: Json, amount: int) -> None:
    if charge["status"] != "succeeded":
        raise refused(f"Charge {charge['id']} did not succeed.", param="charge")
    if charge["disputed"]:
        raise refused(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    if charge["refunded"]:
        raise refused(
            f"Charge {charge['id']} has already been refunded.",
            code="charge_already_refunded",
        )
    left = charge["amount"] - charge["amount_refunded"]
    if amount < 1:
        raise invalid("Invalid positive integer", param="amount")
    if amount > left:
        raise refused(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge"
            f" ({left})",
            param="amount",
        )


def _take(account: Account, charge: Json, amount: int) -> Json:
    refunded = charge["amount_refunded"] + amount
    done = refunded == charge["amount"]
    return changed(charge, amount_refunded=refunded, refunded=done)


def _arrive(account: Account, refund: Json) -> None:
    refund["destination_details"].get("card", {}).update(_reference("available"))
    update(account, refund, status="succeeded")


def _fail(account: Account, refund: Json, charge: Json) -> None:
    moved = funds.move(account, refund, refund["amount"], kind="refund_failure")
    taken = _take(account, charge, -refund["amount"])
    account.emit("charge.updated", charge, previous=taken)
    previous = changed(
        refund,
        failure_balance_transaction=moved["id"],
        failure_reason="expired_or_canceled_card",
        status="failed",
    )
    account.emit("refund.updated", refund, previous=previous)
    account.emit("refund.failed", refund)
    account.emit("charge.refund.updated", refund, previous=previous)


def _destination(*, slow: bool) -> Json:
    return {**_reference("pending" if slow else "available"), "type": "refund"}


def _reference(status: str) -> Json:
    known = "00000000000000000000000" if status == "available" else None
    return {
        "reference": known,
        "reference_status": status,
        "reference_type": "acquirer_reference_number",
    }


ROUTES = (
    Route("POST", "/v1/refunds", sdk.RefundCreateParams, on_account(create)),
    Route("GET", "/v1/refunds", sdk.RefundListParams, on_account(search)),
    Route(
        "GET", "/v1/refunds/{id}", sdk.RefundRetrieveParams, on_object_alone(retrieve)
    ),
    Route("POST", "/v1/refunds/{id}", sdk.RefundUpdateParams, on_object(change)),
    Route(
        "POST",
        "/v1/refunds/{id}/cancel",
        sdk.RefundCancelParams,
        on_object_alone(cancel),
    ),
)
