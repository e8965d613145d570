"""Whatever happens at Stripe, and however we are told of it, both ends agree at last.

Things happen there at random; between them events are told at random: late, twice, in
any order, or never. What no webhook told of is listed in the end.
"""

import contextlib
import datetime as dt
from typing import Any

import pytest
import stripe
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, note
from hypothesis import settings as how
from hypothesis import strategies as st

from kit.money import picos_from_minor
from kit.orm.roles import OPERATOR
from metering.billing.models import Invoice
from metering.collection.models import Outgoing, ProviderPayment, Standing
from metering.collection.outgoing.overpaid import brought_minor
from metering.collection.outgoing.telling import tell_all
from metering.inbox.catching_up import catch_up
from metering.inbox.models import WebhookEvent
from metering.receivables.holding import open_hold
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import NOW
from tests.metering.collection.following.scene import (
    DAY_S,
    DECLINED,
    HOUR,
    VISA,
    Scene,
    balances,
)
from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.errors import ApiError

AMOUNTS = (1000, 30, 2500)
CARDS = (VISA, VISA, DECLINED, "4000000000007726", "4000000000005126")

things = st.one_of(
    st.tuples(st.just("issue")),
    st.tuples(st.just("pay"), st.integers(0, 2), st.sampled_from(CARDS)),
    st.tuples(st.just("refund"), st.integers(0, 2), st.integers(1, 1500)),
    st.tuples(st.just("dispute"), st.integers(0, 2)),
    st.tuples(st.just("decide"), st.sampled_from(["won", "lost"])),
    st.tuples(st.just("out_of_band"), st.integers(0, 2)),
    st.tuples(st.just("overpay"), st.integers(0, 2), st.sampled_from([1, 700])),
    st.tuples(st.just("bring")),
    st.tuples(st.just("wait"), st.sampled_from([60, 4 * DAY_S])),
)


class Course:
    """One course of things at a Stripe of its own."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.tenant = make_tenant(currency="USD")
        self.invoices: list[Invoice] = []
        self.intents: dict[int, str] = {}
        self.disputes: list[str] = []

    def do(self, what: str, *asked: Any) -> None:
        """Do it, if it can be done."""
        with contextlib.suppress(ApiError, stripe.StripeError, LookupError):
            getattr(self, f"_{what}")(*asked)

    def _issue(self) -> None:
        if len(self.invoices) < len(AMOUNTS):
            amount = AMOUNTS[len(self.invoices)]
            self.invoices.append(self.scene.issue(amount, tenant=self.tenant))

    def _pay(self, at: int, card: str) -> None:
        self.intents[at] = self.scene.pay(self.invoices[at], card)

    def _refund(self, at: int, amount: int) -> None:
        self.scene.refund(self.intents[at], amount)

    def _dispute(self, at: int) -> None:
        self.disputes.append(self.scene.dispute(self.intents[at]))

    def _decide(self, outcome: str) -> None:
        self.scene.decide(self.disputes[-1], outcome)

    def _out_of_band(self, at: int) -> None:
        reference = self.invoices[at].provider_reference
        self.scene.stripe.v1.invoices.pay(reference, {"paid_out_of_band": True})

    def _overpay(self, at: int, more: int) -> None:
        invoice = self.invoices[at]
        remote = self.scene.account.invoices[invoice.provider_reference]
        if remote["status"] != "open":
            raise LookupError
        amount = int(remote["amount_remaining"]) + more
        # What is too much of it cannot go back here: nobody refunds it.
        self.scene.overpay(invoice, amount)

    def _bring(self) -> None:
        tell_all(now=NOW)

    def stuck_minor(self, invoice: Invoice) -> int:
        """Return what was overpaid of an invoice and used by a later one there."""
        remote = self.scene.account.invoices[invoice.provider_reference]
        over = int(remote["amount_overpaid"]) - brought_minor(invoice)
        assert over == 0 or Outgoing.objects.filter(
            kind="overpaid", fact_id=invoice.pk, problem__contains="a later invoice"
        )
        return over

    def _wait(self, seconds: int) -> None:
        self.scene.wait(seconds)

    def disputed(self) -> set[str]:
        """Return the payments whose banks have not decided yet."""
        rows = self.scene.account.rows["dispute"].values()
        waiting = ("needs_response", "under_review")
        return {row["payment_intent"] for row in rows if row["status"] in waiting}

    def cash_there(self) -> int:
        """Return what Stripe holds of it in the end, and what was paid elsewhere."""
        account = self.scene.account
        rows = account.rows
        received = sum(
            row["amount_received"]
            for row in rows["payment_intent"].values()
            if row["status"] == "succeeded"
        )
        refunded = sum(
            row["amount"]
            for row in rows["refund"].values()
            if row["status"] == "succeeded"
        )
        moved = sum(
            each["amount"]
            for row in rows["dispute"].values()
            for each in row["balance_transactions"]
        )
        elsewhere = sum(account.out_of_band.values())
        return int(received - refunded + moved + elsewhere)


@given(data=st.data(), course=st.lists(things, min_size=3, max_size=12))
@how(
    max_examples=25,
    # To shrink a course takes minutes: what was told is noted.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.timeout(600)
def test_both_ends_agree_at_last(
    operator_db: None, settings: Any, data: st.DataObject, course: list[Any]
) -> None:
    whole = transaction.atomic(using=OPERATOR)
    # As `operator_db` itself: services may insist on the outermost transaction.
    whole._from_testcase = True  # type: ignore[attr-defined]
    with StripeStandIn() as standin, whole:
        settings.STRIPE_API_BASE = standin.url
        scene = Scene(standin)
        there = Course(scene)
        # From here on: of an account that was never listed, a day is.
        _catch_up(scene)
        there.do("issue")
        for thing in course:
            there.do(*thing)
            _tell_some(scene, data)
        _tell_the_rest(scene)
        tell_all(now=NOW + HOUR)
        _agree(there)
        transaction.set_rollback(True, using=OPERATOR)


def _tell_some(scene: Scene, data: st.DataObject) -> None:
    so_far = scene.events("invoice", "refund", "charge.dispute", "payment_intent.s")
    picked = data.draw(st.lists(st.integers(0, max(len(so_far) - 1, 0)), max_size=8))
    note(f"told {[so_far[at]['type'] for at in picked if so_far]}")
    scene.tell(so_far[at] for at in picked if so_far)


def _tell_the_rest(scene: Scene) -> None:
    """List what no webhook told of, and be as patient as need be."""
    # Courses that wait often end later than our day: what is listed then is due then.
    now = max(NOW, _catch_up(scene))
    for _ in range(100):
        scene.process(now=now)
        if not WebhookEvent.objects.filter(state="waiting").exists():
            return
        now += HOUR


def _catch_up(scene: Scene) -> dt.datetime:
    clock = scene.standin.engine.clock.now() + 1
    listed_at = dt.datetime.fromtimestamp(clock, dt.UTC)
    catch_up(now=listed_at)
    return listed_at


def _agree(there: Course) -> None:
    assert there.scene.problems() == []
    here = balances(there.tenant)
    stuck = sum(there.stuck_minor(invoice) for invoice in there.invoices)
    cash = there.cash_there() - stuck
    assert here.get("cash", 0) == picos_from_minor(cash, "USD")
    for invoice in there.invoices:
        invoice.refresh_from_db()
        remote = there.scene.account.invoices[invoice.provider_reference]
        standing = Standing.objects.get(invoice=invoice)
        assert standing.status == remote["status"]
        assert stuck or standing.difference == "", invoice.number
        # One payment may have paid what earlier invoices carried as well.
        disputed = ProviderPayment.objects.filter(
            payment__invoice=invoice, intent__in=there.disputed()
        ).exists()
        assert (open_hold(invoice) is not None) == (
            disputed and invoice.state == Invoice.State.OPEN
        )
