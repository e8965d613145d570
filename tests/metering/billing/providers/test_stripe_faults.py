"""Each fault at each call of the flow, and one invoice at Stripe in the end."""

import datetime as dt
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any, get_args

import pytest
from django.db import connections

from kit.orm.roles import as_operator
from metering.billing import operations
from metering.billing.models import Invoice, ProviderOperation, Seller
from metering.billing.providers.base import finished
from metering.billing.providers.stripe.client import StripeAccount
from metering.billing.providers.stripe.mapping import INVOICE_MARK, LINE_MARK
from metering.billing.providers.stripe.provider import StripeProvider
from tests.metering.billing.providers.scene import MINUTE, NOW, make_draft
from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.faults import Kind

RUNS_MAX = 6
AMOUNTS = range(1, 151)
HOLDS = ("hold", "commit_then_hold", "slow")
WRITES: dict[str, dict[str, Any]] = {
    "customer": {"path": "/v1/customers"},
    "draft": {"path": "/v1/invoices"},
    "first lines": {"path": "/v1/invoices/*/add_lines"},
    "last lines": {"path": "/v1/invoices/*/add_lines", "nth": 2},
    "number": {"path": "/v1/invoices/*"},
    "finalise": {"path": "/v1/invoices/*/finalize"},
}
READS: dict[str, dict[str, Any]] = {
    "own customer": {"path": "/v1/customers/search"},
    "own invoices": {"path": "/v1/invoices"},
    "read-back": {"path": "/v1/invoices/*/lines"},
    "second page": {"path": "/v1/invoices/*/lines", "nth": 2},
}
# A run that takes up what another began looks at it first.
READS_AGAIN: dict[str, dict[str, Any]] = {
    "draft": {"path": "/v1/invoices/*"},
    "lines there": {"path": "/v1/invoices/*/lines"},
    "lines there, second page": {"path": "/v1/invoices/*/lines", "nth": 2},
    "read-back": {"path": "/v1/invoices/*/lines", "nth": 3},
}


def run_until_finished(
    provider: StripeProvider, invoice: Invoice, *, runs_max: int = RUNS_MAX
) -> int:
    """Advance once a minute, as the worker does, and return how often it took."""
    for run in range(runs_max):
        provider.advance(invoice, now=NOW + run * MINUTE)
        if finished(invoice):
            return run + 1
    raise AssertionError(f"not finished after {runs_max} runs: {invoice.problem}")


def assert_one_and_equal(standin: StripeStandIn, invoice: Invoice) -> None:
    """Hold what Stripe has against what we have, and against each other's numbers."""
    [theirs] = standin.invoices()
    assert theirs["metadata"][INVOICE_MARK] == str(invoice.public_id)
    assert (theirs["status"], theirs["number"]) == ("open", invoice.number)
    assert sorted(
        (line["metadata"][LINE_MARK], line["amount"]) for line in theirs["lines"]
    ) == sorted((str(line.position), line.amount_minor) for line in invoice.lines.all())
    assert theirs["total"] == invoice.amount_minor
    assert len(standin.engine.account.customers) == 1
    assert Seller.objects.get().last_number == 1
    assert invoice.problem == ""


@pytest.mark.parametrize("kind", [kind for kind in get_args(Kind) if kind not in HOLDS])
@pytest.mark.parametrize("call", WRITES)
def test_a_fault_at_any_write_ends_in_one_invoice(
    operator_db: None,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    call: str,
    kind: str,
) -> None:
    invoice = make_draft(*AMOUNTS, provider="stripe")
    standin.plan(kind, **WRITES[call])
    assert run_until_finished(stripe_provider, invoice) > 1
    assert_one_and_equal(standin, invoice)
    done = ProviderOperation.objects.exclude(state=ProviderOperation.State.FAILED)
    assert {row.state for row in done} == {ProviderOperation.State.SUCCEEDED}


@pytest.mark.parametrize("kind", ["drop_before", "rate_limited"])
@pytest.mark.parametrize("call", READS)
def test_a_fault_at_any_read_ends_in_one_invoice(
    operator_db: None,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    call: str,
    kind: str,
) -> None:
    invoice = make_draft(*AMOUNTS, provider="stripe")
    # Of one this old a draft may be there that is not known here.
    Invoice.objects.filter(pk=invoice.pk).update(created_at=NOW - operations.KEY_LIFE)
    standin.plan(kind, method="GET", **READS[call])
    assert run_until_finished(stripe_provider, invoice) > 1
    assert_one_and_equal(standin, invoice)


@pytest.mark.parametrize("kind", ["drop_before", "rate_limited"])
@pytest.mark.parametrize("call", READS_AGAIN)
def test_a_fault_at_any_read_of_what_was_begun_ends_in_one_invoice(
    operator_db: None,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    call: str,
    kind: str,
) -> None:
    invoice = make_draft(*AMOUNTS, provider="stripe")
    standin.plan("drop_before", **WRITES["number"])
    stripe_provider.advance(invoice, now=NOW)
    standin.plan(kind, method="GET", **READS_AGAIN[call])
    assert run_until_finished(stripe_provider, invoice) > 1
    assert_one_and_equal(standin, invoice)


@pytest.mark.parametrize("kind", ["drop_before", "commit_then_drop"])
@pytest.mark.parametrize("call", WRITES)
def test_a_key_that_expired_in_doubt_is_not_trusted(
    operator_db: None,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    call: str,
    kind: str,
) -> None:
    invoice = make_draft(*AMOUNTS, provider="stripe")
    standin.plan(kind, **WRITES[call])
    stripe_provider.advance(invoice, now=NOW)
    assert not finished(invoice)
    standin.engine.clock.advance(25 * 3600)
    stripe_provider.advance(invoice, now=NOW + dt.timedelta(hours=25))
    assert finished(invoice)
    assert_one_and_equal(standin, invoice)


@pytest.mark.parametrize("call", WRITES)
def test_what_is_there_is_not_asked_for_again(
    operator_db: None,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    call: str,
) -> None:
    invoice = make_draft(*AMOUNTS, provider="stripe")
    standin.plan("commit_then_drop", **WRITES[call])
    run_until_finished(stripe_provider, invoice)
    assert len(standin.journal()) == len(WRITES)


def test_the_same_attempt_is_made_again_while_in_doubt(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    invoice = make_draft(100, provider="stripe")
    for _ in range(2):
        standin.plan("drop_before", **WRITES["draft"])
        stripe_provider.advance(invoice, now=NOW)
    run_until_finished(stripe_provider, invoice)
    entries = [row for row in standin.journal() if row["path"] == "/v1/invoices"]
    assert len(entries) == 3
    assert len({entry["idempotency_key"] for entry in entries}) == 1
    assert ProviderOperation.objects.get(name="draft").attempt == 1


def test_a_stored_failure_takes_a_new_key(
    operator_db: None, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    """A lock timeout would be replayed for a day: its lines would never arrive."""
    invoice = make_draft(100, provider="stripe")
    standin.plan("lock_timeout", **WRITES["first lines"])
    run_until_finished(stripe_provider, invoice)
    rows = ProviderOperation.objects.filter(name="lines").order_by("attempt")
    assert [row.state for row in rows] == ["failed", "succeeded"]
    assert not any(entry["replayed"] for entry in standin.journal())


def test_the_sdk_retries_a_lost_connection_by_itself(
    operator_db: None, standin: StripeStandIn
) -> None:
    account = StripeAccount(
        api_key="sk_test_any", api_base=standin.url, network_retries_max=1
    )
    invoice = make_draft(100, provider="stripe")
    standin.plan("commit_then_drop", **WRITES["draft"])
    StripeProvider(lambda _: account).advance(invoice, now=NOW)
    assert finished(invoice)
    assert_one_and_equal(standin, invoice)


def test_an_answer_that_is_too_slow_is_in_doubt(
    operator_db: None, standin: StripeStandIn
) -> None:
    account = StripeAccount(
        api_key="sk_test_any",
        api_base=standin.url,
        timeout_ms=500,
        network_retries_max=0,
    )
    provider = StripeProvider(lambda _: account)
    invoice = make_draft(100, provider="stripe")
    slow = standin.plan("commit_then_hold", **WRITES["first lines"])
    provider.advance(invoice, now=NOW)
    row = ProviderOperation.objects.get(name="lines")
    assert row.state == ProviderOperation.State.UNKNOWN
    slow.released.set()
    run_until_finished(provider, invoice)
    assert_one_and_equal(standin, invoice)


def _advancing(provider: StripeProvider, invoice: Invoice) -> threading.Thread:
    def advance() -> None:
        try:
            with as_operator():
                provider.advance(Invoice.objects.get(pk=invoice.pk), now=NOW)
        finally:
            connections.close_all()

    thread = threading.Thread(target=advance)
    thread.start()
    return thread


def test_a_second_driver_steps_back(
    fresh_database: object,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
) -> None:
    held = standin.plan("hold", **WRITES["draft"])
    with as_operator():
        invoice = make_draft(*AMOUNTS, provider="stripe")
        first = _advancing(stripe_provider, invoice)
        assert held.reached.wait(10)
        stripe_provider.advance(invoice, now=NOW)
        drafts = [row for row in standin.journal() if row["path"] == "/v1/invoices"]
        assert len(drafts) == 1
        held.released.set()
        first.join()
        invoice.refresh_from_db()
        assert finished(invoice)
        assert_one_and_equal(standin, invoice)


def _driving_at_once(**_: Any) -> AbstractContextManager[bool]:
    return nullcontext(enter_result=True)


@pytest.mark.parametrize("call", WRITES)
def test_two_drivers_without_a_lock_share_their_keys(
    fresh_database: object,
    standin: StripeStandIn,
    stripe_provider: StripeProvider,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    """The lock's connection may be lost: the keys still keep two drivers apart."""
    where = "metering.billing.providers.stripe.provider.sole_driver"
    monkeypatch.setattr(where, _driving_at_once)
    held = standin.plan("hold", **WRITES[call])
    with as_operator():
        invoice = make_draft(*AMOUNTS, provider="stripe")
        first = _advancing(stripe_provider, invoice)
        assert held.reached.wait(10)
        stripe_provider.advance(invoice, now=NOW)
        held.released.set()
        first.join()
        invoice.refresh_from_db()
        run_until_finished(stripe_provider, invoice)
        assert_one_and_equal(standin, invoice)


def test_a_draft_that_changes_as_its_number_is_set_is_not_finalised(
    fresh_database: object, standin: StripeStandIn, stripe_provider: StripeProvider
) -> None:
    held = standin.plan("hold", **WRITES["number"])
    with as_operator():
        invoice = make_draft(*AMOUNTS, provider="stripe")
        driving = _advancing(stripe_provider, invoice)
        assert held.reached.wait(10)
        [draft] = standin.engine.account.invoices.values()
        draft["total"] += 1
        held.released.set()
        driving.join()
        invoice.refresh_from_db()
        assert "total is" in invoice.problem
        assert standin.invoices()[0]["status"] == "draft"
