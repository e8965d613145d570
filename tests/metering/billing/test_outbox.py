"""What was refused too often is parked, seen, and goes on when a person says so."""

import datetime as dt

import pytest

from kit.acting import Actor, ActorKind, acting_as
from kit.errors import Conflict
from metering.billing import operations, outbox
from metering.billing.models import Invoice, ProviderOperation
from metering.billing.operations import Call, CallRefused, OutcomeUnknown, Parked
from tenants.models import AuditEntry
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import NOW, make_draft

State = ProviderOperation.State
DAY = dt.timedelta(days=1)


def _call(subject: str = "subject", account: str = "default") -> Call:
    return Call("stripe", account, "draft", subject, make_tenant().pk)


def _attempt(call: Call, failure: Exception | None, *, now: dt.datetime = NOW) -> str:
    def send(key: str) -> str:
        if failure is not None:
            raise failure
        return key

    return operations.perform(call, send=send, record=lambda key: key, now=now)


def _refuse(call: Call, times: int) -> ProviderOperation:
    for day in range(times):
        with pytest.raises(CallRefused):
            _attempt(call, CallRefused("no such thing"), now=NOW + day * DAY)
    return ProviderOperation.objects.latest("attempt")


def test_a_call_that_is_refused_again_and_again_is_parked(operator_db: None) -> None:
    call = _call()
    assert _refuse(call, operations.REFUSALS_MAX - 1).state == State.FAILED
    with pytest.raises(CallRefused):
        _attempt(call, CallRefused("still not"), now=NOW + 20 * DAY)
    with pytest.raises(Parked, match="still not"):
        _attempt(call, None, now=NOW + 30 * DAY)
    row = ProviderOperation.objects.latest("attempt")
    assert (row.state, row.attempt) == (State.PARKED, operations.REFUSALS_MAX)


def test_doubt_and_expired_keys_never_park(operator_db: None) -> None:
    call = _call()
    for day in range(2 * operations.REFUSALS_MAX):
        with pytest.raises(OutcomeUnknown):
            _attempt(call, OutcomeUnknown("timeout"), now=NOW + day * DAY)
    assert _attempt(call, None, now=NOW + 40 * DAY) == "draft:subject:21"


def test_a_person_lets_a_parked_call_go_on_under_a_new_key(operator_db: None) -> None:
    call = _call()
    parked = _refuse(call, operations.REFUSALS_MAX)
    assert outbox.let_go_on(operation=parked).state == State.FAILED
    last = parked.finished_at
    assert last is not None
    assert _attempt(call, None, now=last) == "draft:subject:11"


def test_after_that_it_has_all_its_patience_again(operator_db: None) -> None:
    call = _call()
    outbox.let_go_on(operation=_refuse(call, operations.REFUSALS_MAX))
    with pytest.raises(CallRefused):
        _attempt(call, CallRefused("no"), now=NOW + 20 * DAY)
    row = ProviderOperation.objects.latest("attempt")
    assert (row.state, row.refusals) == (State.FAILED, 1)


def test_letting_go_on_is_audited_once_and_tries_the_invoice_now(
    operator_db: None,
) -> None:
    invoice = make_draft(100, provider="stripe")
    invoice.tries, invoice.try_after = 5, NOW + DAY
    invoice.save()
    call = Call("stripe", "default", "draft", "x", invoice.tenant_id, invoice)
    parked = _refuse(call, operations.REFUSALS_MAX)
    with acting_as(Actor(ActorKind.ROOT_TOKEN)):
        outbox.let_go_on(operation=parked)
        outbox.let_go_on(operation=parked)
    invoice.refresh_from_db()
    assert invoice.tries == 0
    assert not Invoice.objects.exclude(try_after=None).exists()
    [entry] = AuditEntry.objects.filter(action="let_go_on")
    assert entry.tenant_id == invoice.tenant_id


def test_what_waits_for_nobody_is_not_let_go_on(operator_db: None) -> None:
    call = _call()
    refused = _refuse(call, 1)
    _attempt(call, None, now=NOW + DAY)
    done = ProviderOperation.objects.latest("attempt")
    for row in (refused, done):
        with pytest.raises(Conflict):
            outbox.let_go_on(operation=row)


def test_the_backlog_counts_last_attempts_and_their_age(operator_db: None) -> None:
    assert outbox.backlog() == outbox.Backlog(0, 0, 0, None)
    _attempt(_call("done"), None, now=NOW - 9 * DAY)
    _refuse(_call("parked"), operations.REFUSALS_MAX)
    _refuse(_call("refused"), 3)
    with pytest.raises(OutcomeUnknown):
        _attempt(_call("doubt", "europe"), OutcomeUnknown(""), now=NOW - DAY)
    found = outbox.backlog()
    assert found == outbox.Backlog(in_doubt=1, refused=1, parked=1, oldest_at=NOW - DAY)
    assert (found.undone, found.age(now=NOW)) == (3, DAY)
    assert outbox.backlog(account="europe").undone == 1


def test_what_was_about_a_thing_that_is_gone_is_no_backlog(operator_db: None) -> None:
    invoice = make_draft(100, provider="stripe")
    for name in ("in_1/0", "in_2/0"):
        call = Call("stripe", "default", "lines", name, invoice.tenant_id, invoice)
        _refuse(call, 2)
    outbox.drop(invoice, about="in_1", now=NOW)
    assert [row.subject for row in outbox.undone()] == ["in_2/0"]
    states = ProviderOperation.objects.filter(subject="in_1/0").order_by("attempt")
    assert [row.state for row in states] == [State.FAILED, State.DROPPED]
