"""Disputes: a customer's bank takes the money back, and may have to return it.

A dispute opens by a test card or by hand, its money is withdrawn at once, and it closes
as won, as lost, or as lost because nobody answered in time.
"""

from functools import partial
from typing import Literal

from stripe import params as sdk

from tests.standins.stripe.account import Account, Json, merged
from tests.standins.stripe.errors import refused
from tests.standins.stripe.lists import page
from tests.standins.stripe.routes import (
    Route,
    on_account,
    on_object,
    on_object_alone,
)
from tests.standins.stripe.world import charges, funds
from tests.standins.stripe.world.objects import (
    changed,
    found,
    heed,
    listed,
    new,
)

KIND = "dispute"
ANSWER_S = 9 * 86_400
FEE = 1500
_OPEN = ("needs_response", "under_review")
# Stripe's test mode decides by what is written here.
_DECIDING: dict[str, Literal["won", "lost"]] = {
    "winning_evidence": "won",
    "losing_evidence": "lost",
}


def opened(account: Account, charge: Json, reason: str = "general") -> Json | None:
    """Dispute a charge; nothing when all of it was given back or it is disputed."""
    amount = charge["amount"] - charge["amount_refunded"]
    if charge["disputed"] or not amount:
        return None
    dispute = new(
        account,
        KIND,
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        payment_intent=charge["payment_intent"],
        payment_method_details=_paid_with(charge),
        reason=reason,
    )
    due = account.now() + ANSWER_S
    dispute["evidence_details"]["due_by"] = due
    charge["disputed"] = True
    account.emit("charge.dispute.created", dispute)
    account.emit("charge.updated", charge, previous={"disputed": False})
    moved = funds.move(account, dispute, -amount, kind="adjustment", fee=FEE)
    dispute["balance_transactions"].append(moved)
    account.emit("charge.dispute.funds_withdrawn", dispute)
    account.later(due, partial(_overlooked, account, dispute))
    return dispute


def decide(account: Account, reference: str, outcome: Literal["won", "lost"]) -> Json:
    """Let the bank decide; a dispute that was won brings the money back."""
    dispute = retrieve(account, reference)
    if dispute["status"] not in _OPEN:
        raise refused(f"This dispute is already closed: {dispute['status']}.")
    previous = changed(dispute, status=outcome)
    if outcome == "won":
        back = funds.move(account, dispute, dispute["amount"], kind="adjustment")
        dispute["balance_transactions"].append(back)
        account.emit("charge.dispute.funds_reinstated", dispute)
    account.emit("charge.dispute.closed", dispute, previous=previous)
    return dispute


def retrieve(account: Account, reference: str) -> Json:
    """Return a dispute."""
    return found(account, KIND, reference)


def change(account: Account, reference: str, params: Json) -> Json:
    """Hand evidence in; only the words of Stripe's test mode decide anything."""
    heed(params, "evidence metadata submit")
    dispute = retrieve(account, reference)
    if dispute["status"] not in _OPEN:
        raise refused("This dispute is already closed.")
    evidence = {**dispute["evidence"], **params.get("evidence", {})}
    submits = params.get("submit", True) and "evidence" in params
    details = {**dispute["evidence_details"], "has_evidence": any(evidence.values())}
    if submits:
        details["submission_count"] += 1
        details["submission_method"] = "manual"
    previous = changed(
        dispute,
        evidence=evidence,
        evidence_details=details,
        metadata=merged(dispute["metadata"], params.get("metadata")),
        status="under_review" if submits else dispute["status"],
    )
    account.emit("charge.dispute.updated", dispute, previous=previous)
    outcome = _DECIDING.get(evidence["uncategorized_text"] or "")
    if submits and outcome is not None:
        decide(account, reference, outcome)
    return dispute


def close(account: Account, reference: str) -> Json:
    """Give up: the customer keeps the money."""
    return decide(account, reference, "lost")


def search(account: Account, params: Json) -> Json:
    """Return a page of disputes, newest first."""
    heed(params, "charge payment_intent")
    rows = list(listed(account, KIND, params, by="charge payment_intent"))
    return page(rows, params, url="/v1/disputes")


def dispute_charge(account: Account, reference: str, reason: str) -> Json:
    """Let a customer dispute a charge by hand."""
    dispute = opened(account, found(account, charges.KIND, reference), reason)
    if dispute is None:
        raise refused(f"Charge {reference} cannot be disputed.")
    return dispute


def _overlooked(account: Account, dispute: Json) -> None:
    if dispute["status"] == "needs_response":
        dispute["evidence_details"]["past_due"] = True
        decide(account, dispute["id"], "lost")


def _paid_with(charge: Json) -> Json:
    details = charge["payment_method_details"]
    if details["type"] != "card":
        return {"type": details["type"]}
    return {
        "card": {
            "brand": details["card"]["brand"],
            "case_type": "chargeback",
            "network": details["card"]["brand"],
            "network_reason_code": "10.4",
        },
        "type": "card",
    }


ROUTES = (
    Route("GET", "/v1/disputes", sdk.DisputeListParams, on_account(search)),
    Route(
        "GET", "/v1/disputes/{id}", sdk.DisputeRetrieveParams, on_object_alone(retrieve)
    ),
    Route("POST", "/v1/disputes/{id}", sdk.DisputeUpdateParams, on_object(change)),
    Route(
        "POST",
        "/v1/disputes/{id}/close",
        sdk.DisputeCloseParams,
        on_object_alone(close),
    ),
)
