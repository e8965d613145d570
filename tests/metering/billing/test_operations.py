"""The outbox: a row before the call, the right key afterwards, one driver at a time."""

import datetime as dt
import threading

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from metering.billing import operations
from metering.billing.driving import sole_driver
from metering.billing.models import ProviderOperation
from metering.billing.operations import Call, CallRefused, NotYet, OutcomeUnknown
from tests.factories.tenants import make_tenant

NOW = dt.datetime(2026, 12, 1, 6, tzinfo=dt.UTC)
State = ProviderOperation.State


def _call() -> Call:
    return Call("stripe", "default", "draft", "subject", make_tenant().pk)


def _perform(
    call: Call, *, now: dt.datetime = NOW, failure: Exception | None = None
) -> str:
    def send(key: str) -> str:
        if failure is not None:
            raise failure
        return key

    return operations.perform(call, send=send, record=lambda key: key, now=now)


def test_the_intent_is_committed_before_the_call(fresh_database: object) -> None:
    with as_operator():
        call = _call()
        seen: list[str] = []

        def look() -> None:
            with as_operator():
                seen.extend(row.state for row in ProviderOperation.objects.all())
            connections.close_all()

        def send(key: str) -> str:
            other = threading.Thread(target=look)
            other.start()
            other.join()
            return key

        operations.perform(call, send=send, record=lambda _: "in_1", now=NOW)
        assert seen == [State.INTENT]
        row = ProviderOperation.objects.get()
        assert (row.state, row.reference, row.finished_at) == ("succeeded", "in_1", NOW)


def test_a_call_inside_a_transaction_is_a_bug(fresh_database: object) -> None:
    with as_operator():
        call = _call()
        sent: list[str] = []

        with pytest.raises(RuntimeError, match="durable"), atomic():
            operations.perform(call, send=sent.append, record=str, now=NOW)
        assert sent == []
        assert not ProviderOperation.objects.exists()


def test_a_failing_record_leaves_the_attempt_in_doubt(operator_db: None) -> None:
    call = _call()

    def fail(_: str) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        operations.perform(call, send=lambda key: key, record=fail, now=NOW)
    assert ProviderOperation.objects.get().state == State.INTENT
    assert _perform(call) == "draft:subject:1"


def test_doubt_repeats_the_key_until_the_provider_forgets_it(operator_db: None) -> None:
    call = _call()
    for hours in (0, 1, 22.9):
        now = NOW + dt.timedelta(hours=hours)
        with pytest.raises(OutcomeUnknown):
            _perform(call, now=now, failure=OutcomeUnknown("timeout"))
    assert [row.attempt for row in ProviderOperation.objects.all()] == [1]
    assert _perform(call, now=NOW + dt.timedelta(hours=23)) == "draft:subject:2"
    states = ProviderOperation.objects.order_by("attempt").values_list(
        "state", flat=True
    )
    assert list(states) == [State.FAILED, State.SUCCEEDED]


def test_a_row_from_the_future_protects_nothing(operator_db: None) -> None:
    """A rehearsal with another clock leaves rows whose age nobody knows."""
    call = _call()
    with pytest.raises(OutcomeUnknown):
        _perform(call, failure=OutcomeUnknown("timeout"))
    assert _perform(call, now=NOW - dt.timedelta(days=30)) == "draft:subject:2"


@given(st.integers(min_value=1, max_value=14))
def test_refusals_are_spaced_further_and_further(refusals: int) -> None:
    row = ProviderOperation(refusals=refusals, created_at=NOW, finished_at=NOW)
    patience = min(dt.timedelta(minutes=2 ** (refusals - 1)), dt.timedelta(hours=6))
    operations._wait_out(row, now=NOW + patience)
    with pytest.raises(NotYet):
        operations._wait_out(row, now=NOW + patience - dt.timedelta.resolution)


def test_a_refusal_takes_a_new_key_after_a_while(operator_db: None) -> None:
    call = _call()
    with pytest.raises(CallRefused):
        _perform(call, failure=CallRefused("no"))
    with pytest.raises(NotYet):
        _perform(call, now=NOW + dt.timedelta(seconds=59))
    assert _perform(call, now=NOW + dt.timedelta(seconds=60)) == "draft:subject:2"
    assert operations.succeeded(call)


def test_what_was_read_back_counts_as_done(operator_db: None) -> None:
    call = _call()
    assert not operations.attempted(call)
    operations.adopt(call, reference="in_1", now=NOW)
    assert not operations.attempted(call)
    with pytest.raises(OutcomeUnknown):
        _perform(call, failure=OutcomeUnknown("timeout"))
    operations.adopt(call, reference="in_1", now=NOW)
    assert operations.succeeded(call)
    assert ProviderOperation.objects.get().reference == "in_1"


def test_a_success_is_final(operator_db: None) -> None:
    call = _call()
    _perform(call)
    row = ProviderOperation.objects.get()
    operations._finish(row, State.UNKNOWN, error="late doubt", now=NOW)
    row.refresh_from_db()
    assert (row.state, row.error) == (State.SUCCEEDED, "")


def test_one_driver_a_tenant(fresh_database: object) -> None:
    with as_operator(), sole_driver(provider="stripe", tenant_id=1) as first:
        assert first
        with sole_driver(provider="stripe", tenant_id=1) as second:
            assert not second
        with sole_driver(provider="stripe", tenant_id=2) as other:
            assert other
    for _ in range(20):
        with as_operator(), sole_driver(provider="stripe", tenant_id=1) as again:
            assert again
