"""Each night all open invoices are compared; what no event told of is recorded."""

import datetime as dt

import pytest

from metering.billing.models import Invoice
from metering.collection.comparing import compare
from metering.collection.following import listing
from metering.collection.models import Comparison, Standing
from metering.receivables.paying import record_payment
from tests.metering.billing.providers.scene import NOW
from tests.metering.collection.following.scene import Scene

DAY = dt.timedelta(days=1)
State = Invoice.State


def refunded_in_part(scene: Scene, count: int) -> None:
    """Leave invoices open here that are paid there, made when ours were."""
    for _ in range(count):
        scene.refund(scene.pay(scene.issue(1000)), 300)
    for row in scene.account.invoices.values():
        row["created"] = int(NOW.timestamp())
    scene.settle()


def singly(scene: Scene) -> int:
    """Return how many invoices were read singly so far."""
    reads = [each["path"] for each in scene.standin.journal("GET")]
    return sum(path.startswith("/v1/invoices/in_") for path in reads)


def test_what_agrees_is_listed_and_not_read(scene: Scene) -> None:
    for _ in range(3):
        scene.issue(1000)
    before = singly(scene)
    assert compare(now=NOW) == 0
    assert singly(scene) == before
    row = Comparison.objects.get()
    assert (row.account, row.compared_at, row.invoices) == ("default", NOW, 3)


def test_a_payment_that_nobody_told_of_is_recorded(scene: Scene) -> None:
    paid, unpaid = scene.issue(1000), scene.issue(500)
    scene.pay(paid)
    assert compare(now=NOW) == 1
    paid.refresh_from_db()
    unpaid.refresh_from_db()
    assert (paid.state, unpaid.state) == (State.PAID, State.OPEN)


def test_what_stays_open_here_alone_is_listed_and_not_read(scene: Scene) -> None:
    refunded_in_part(scene, 2)
    assert {each.state for each in Invoice.objects.all()} == {State.OPEN}
    before = singly(scene)
    assert compare(now=NOW) == 0
    assert singly(scene) == before


def test_what_changed_of_those_is_found_by_the_list(scene: Scene) -> None:
    refunded_in_part(scene, 3)
    untold = scene.issue(500)
    scene.pay(untold)
    assert compare(now=NOW) == 1
    untold.refresh_from_db()
    assert untold.state == State.PAID


def test_what_was_left_in_another_state_is_read_again(scene: Scene) -> None:
    refunded_in_part(scene, 2)
    Standing.objects.update(status="open")
    assert compare(now=NOW) == 2
    assert set(Standing.objects.values_list("status", flat=True)) == {"paid"}


def test_a_list_that_would_be_longer_than_what_it_saves_is_left(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        scene.issue(1000)
    refunded_in_part(scene, 2)
    monkeypatch.setattr(listing, "PAGE_ROWS", 3)
    assert compare(now=NOW) == 2


def test_what_is_open_there_and_paid_here_is_said_until_it_is_not(
    scene: Scene,
) -> None:
    invoice = scene.issue(1000)
    record_payment(
        invoice=invoice,
        amount_minor=1000,
        reference="our bank",
        received_at=NOW,
        now=NOW,
    )
    compare(now=NOW)
    standing = Standing.objects.get()
    assert standing.difference == "Of it 10.00 USD is open there, and 0.00 USD here."
    compare(now=NOW + DAY)
    standing.refresh_from_db()
    assert standing.differs_since == NOW
    scene.stripe.v1.invoices.pay(invoice.provider_reference, {"paid_out_of_band": True})
    compare(now=NOW + 2 * DAY)
    standing.refresh_from_db()
    assert standing.difference == ""


@pytest.mark.parametrize("act", ["void_invoice", "mark_uncollectible"])
def test_what_ended_there_is_said(scene: Scene, act: str) -> None:
    invoice = scene.issue(1000)
    getattr(scene.stripe.v1.invoices, act)(invoice.provider_reference)
    compare(now=NOW)
    assert "there, and is open here" in Standing.objects.get().difference


def test_what_is_not_there_at_all_is_said(scene: Scene) -> None:
    invoice = scene.issue(1000)
    del scene.account.invoices[invoice.provider_reference]
    compare(now=NOW)
    assert Standing.objects.get().difference == f"{invoice.number} is not there."


def test_one_that_cannot_be_followed_holds_up_no_other(scene: Scene) -> None:
    first, second = scene.issue(1000), scene.issue(500)
    for invoice in (first, second):
        scene.pay(invoice)
    _fails(scene, f"/v1/invoices/{first.provider_reference}")
    assert compare(now=NOW) == 2
    first.refresh_from_db()
    second.refresh_from_db()
    assert {first.state, second.state} == {State.OPEN, State.PAID}
    assert first.provider_reference in Comparison.objects.get().problem
    compare(now=NOW)
    first.refresh_from_db()
    assert first.state == State.PAID
    assert Comparison.objects.get().problem == ""


def test_an_account_that_cannot_be_listed_says_so(scene: Scene) -> None:
    _fails(scene, "/v1/invoices")
    compare(now=NOW)
    row = Comparison.objects.get()
    assert row.compared_at is None
    assert row.problem


def _fails(scene: Scene, path: str) -> None:
    """Let a request fail, and both times that it is made again."""
    for nth in (1, 2, 3):
        scene.standin.plan("error_500", method="GET", path=path, nth=nth)
