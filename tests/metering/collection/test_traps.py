"""Each trap of Stripe's that we know of has a test, and each type of event a place."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from metering.inbox.handlers import handlers_for
from tests.metering.collection.following.conftest import scene
from tests.metering.collection.following.scene import DAY_S, Scene

__all__ = ["scene"]

ROOT = Path(__file__).parents[3]
TABLE = Path(__file__).with_name("README.md")
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")

FOLLOWED = """
invoice.created invoice.updated invoice.finalized invoice.finalization_failed
invoice.sent invoice.paid invoice.payment_failed invoice.payment_action_required
invoice.overdue invoice.overpaid invoice.voided invoice.marked_uncollectible
invoice.deleted invoice.will_be_due invoice_payment.paid refund.created refund.updated
refund.failed charge.dispute.created charge.dispute.updated charge.dispute.closed
charge.dispute.funds_withdrawn charge.dispute.funds_reinstated customer.updated
payment_method.attached payment_method.detached payment_method.automatically_updated
checkout.session.completed checkout.session.expired payment_intent.succeeded
payment_intent.payment_failed
"""
# The same once more, in other words; what nothing here depends on; and what is ours
# alone to decide, and read when it is used.
LEFT = """
charge.succeeded charge.refunded charge.updated charge.failed charge.refund.updated
setup_intent.succeeded setup_intent.setup_failed credit_note.created
credit_note.updated credit_note.voided billing.credit_grant.created
billing.alert.triggered price.deleted product.deleted customer.deleted
customer.created
"""


@cache
def functions_in(path: str) -> set[str]:
    """Return the names of all functions of a file."""
    tree = ast.parse((ROOT / path).read_text())
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}


def test_each_trap_names_tests_that_are_there() -> None:
    rows = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    assert len(rows) > 40
    for row in rows:
        named = _NAMED.findall(row)
        assert named or row.startswith(("| trap", "| ---", "| **")), row
        for path, name in named:
            assert name in functions_in(path), f"{path} has no {name}"


@pytest.mark.parametrize("event_type", FOLLOWED.split())
def test_what_moves_money_or_how_it_is_paid_is_followed(event_type: str) -> None:
    assert handlers_for(event_type)


@pytest.mark.parametrize("event_type", LEFT.split())
def test_what_says_it_twice_or_nothing_is_left(event_type: str) -> None:
    assert not handlers_for(event_type)


def test_a_payment_is_of_when_it_was_made_however_late_we_hear_of_it(
    scene: Scene,
) -> None:
    invoice = scene.issue(1000)
    scene.pay(invoice)
    [there] = [
        event["data"]["object"]["status_transitions"]["paid_at"]
        for event in scene.events("invoice.paid")
    ]
    scene.wait(3 * DAY_S)
    scene.settle()
    assert invoice.payments.get().received_at.timestamp() == there
