"""Cases: one for each difference from run to run, told once, taken and explained."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from kit.errors import Conflict, InvalidRequest
from metering.reconciliation import asking, services, telling
from metering.reconciliation.attending import explain_case, reopen_case, take_case
from metering.reconciliation.cases import apart, update_cases, watch_runs
from metering.reconciliation.catalogue import ALL
from metering.reconciliation.checks.check import Finding, Found
from metering.reconciliation.models import Case, EpochProof, Run
from metering.usage.models import Epoch
from metering.usage.selectors import database_now
from tenants.models import AuditEntry
from tests.admin import action, confirm, page, signed_in, submit, words
from tests.factories.accounts import make_operator
from tests.factories.pricing import make_price
from tests.factories.usage import commit, make_epoch, make_use

pytestmark = pytest.mark.usefixtures("operator_db")
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
CHECK = ALL["days_join"]


def found_by(
    *listed: Found, whole: bool = True, more: int = 0, now: dt.datetime = NOW
) -> list[Case]:
    """Have a run find this; return all cases, by subject."""
    run = Run.objects.create(kind=Run.Kind.RECONCILE, is_whole=whole, started_at=now)
    finding = Finding(9, len(listed) + more, listed)
    update_cases(run, [(CHECK, finding)], now=now)
    return list(Case.objects.order_by("subject"))


def of(subject: str = "a day", amount: int = 7, tenant: int | None = None) -> Found:
    return Found(tenant, subject, "10 rows", f"{10 + amount} rows", amount=amount)


def test_a_difference_is_one_case_however_often_it_is_found() -> None:
    found_by(of())
    (case,) = found_by(of(amount=8), now=NOW + HOUR)
    assert (case.first_seen_at, case.last_seen_at) == (NOW, NOW + HOUR)
    assert (case.amount, case.found, case.state) == (8, "18 rows", "open")
    found_by(of(tenant=4), of(subject="another day"), of())
    assert Case.objects.count() == 3


def test_what_a_whole_run_no_longer_finds_has_resolved() -> None:
    (case,) = found_by(of())
    assert found_by(whole=False)[0].state == "open"
    (case,) = found_by(now=NOW + HOUR)
    assert (case.state, case.resolved_at) == ("resolved", NOW + HOUR)
    (case,) = found_by(of())
    assert (case.state, case.resolved_at, case.first_seen_at) == ("open", None, NOW)


def test_what_is_not_listed_is_a_case_and_resolves_nothing() -> None:
    found_by(of())
    first, rest, another = found_by(of("another day"), more=300)
    assert [each.state for each in (first, rest, another)] == ["open"] * 3
    assert (rest.subject, rest.amount) == ("all beyond those that are listed", 300)


@pytest.mark.parametrize(
    ("expected", "found", "amount"),
    [
        ("2 admitted", "1 settled and 0 voided", 1),
        ("1,000 picos", "-500 picos", 1500),
        ("an event", "2 rows", 0),
    ],
)
def test_amounts_are_how_far_two_numbers_are_apart(
    expected: str, found: str, amount: int
) -> None:
    assert apart(expected, found) == amount


def test_an_explanation_holds_until_it_has_doubled() -> None:
    (case,) = found_by(of(amount=7))
    with pytest.raises(InvalidRequest):
        explain_case(case=case, note=" ", now=NOW)
    explain_case(case=case, note="A benchmark.", now=NOW)
    assert found_by(of(amount=14))[0].state == "explained"
    (case,) = found_by(of(amount=15))
    assert (case.state, case.note) == ("open", "A benchmark.")
    explain_case(case=case, note="Another one.", now=NOW)
    assert reopen_case(case=case).state == "open"
    explain_case(case=case, note="Another one.", now=NOW)
    (case,) = found_by()
    assert case.state == "resolved"
    with pytest.raises(Conflict):
        explain_case(case=case, note="Late.", now=NOW)
    with pytest.raises(Conflict):
        reopen_case(case=case)


def test_only_an_operator_looks_after_a_case() -> None:
    (case,) = found_by(of())
    operator = make_operator()
    assert take_case(case=case, owner=operator).owner == operator
    operator.is_staff = False
    with pytest.raises(InvalidRequest):
        take_case(case=case, owner=operator)
    assert take_case(case=case, owner=None).owner is None


@pytest.fixture
def told(operator_db: None, settings: Any) -> Any:
    """Let mails go to Django's outbox, and have an operator to write to."""
    settings.EMAIL_IS_SET = True
    settings.PUBLIC_URL = "https://gateway.example"
    operator = make_operator()
    operator.email = "op@example.com"
    operator.save()
    return operator


def tell() -> int:
    return telling.tell_operators(now=NOW)


@pytest.mark.usefixtures("told")
def test_operators_are_told_once_and_again_when_it_has_doubled() -> None:
    found_by(of(amount=7), of("another day"))
    assert (tell(), tell()) == (2, 0)
    (sent,) = mail.outbox
    assert (sent.to, sent.bcc) == ([], ["op@example.com"])
    assert sent.subject == "2 things do not agree"
    assert "expected: 10 rows\n  found: 17 rows" in str(sent.body)
    assert "https://gateway.example/admin/reconciliation/case/" in str(sent.body)
    found_by(of(amount=14), of("another day"))
    assert tell() == 0
    found_by(of(amount=15), of("another day"))
    assert tell() == 1
    assert "(told before, and grown)" in str(mail.outbox[1].body)
    found_by()
    found_by(of(amount=1))
    assert tell() == 1


@pytest.mark.usefixtures("told")
def test_what_is_explained_is_not_told() -> None:
    (case,) = found_by(of())
    explain_case(case=case, note="A benchmark.", now=NOW)
    assert tell() == 0


def test_what_cannot_be_told_waits(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found_by(of())

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError("no such server")

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMessage.send", refuse)
        assert tell() == 0
    told.is_active = False
    told.save()
    assert tell() == 0
    told.is_active = True
    told.save()
    assert tell() == 1


def test_a_run_that_crashed_or_is_missing_is_a_case() -> None:
    watch_runs(now=NOW)
    assert not Case.objects.exists()
    for kind in Run.Kind:
        Run.objects.create(kind=kind, is_whole=True, started_at=NOW, state="agrees")
    watch_runs(now=NOW + 26 * HOUR)
    assert not Case.objects.exists()
    watch_runs(now=NOW + 27 * HOUR)
    assert {case.subject for case in Case.objects.filter(state="open")} == set(Run.Kind)
    services.reconcile(now=NOW + 27 * HOUR)
    watch_runs(now=NOW + 27 * HOUR)
    assert Case.objects.get(state="resolved").subject == "reconcile"
    Run.objects.create(
        kind="reconcile", is_whole=True, started_at=NOW, state="crashed", problem="No."
    )
    watch_runs(now=NOW + 28 * HOUR)
    case = Case.objects.get(subject="reconcile")
    assert case.state == "open"
    assert case.found.endswith("crashed: No.")


def test_a_run_that_is_asked_for_is_made_once() -> None:
    now = database_now()
    run = asking.ask_for_run(kind=Run.Kind.RECONCILE, now=now)
    assert asking.ask_for_run(kind=Run.Kind.RECONCILE, now=now) == run
    assert asking.ask_for_run(kind=Run.Kind.VERIFY_LEDGER, now=now) != run
    assert asking.make_asked(now=now) == 2
    assert asking.make_asked(now=now) == 0
    assert set(Run.objects.values_list("state", "is_whole")) == {("agrees", True)}


def test_of_two_workers_one_makes_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    now = database_now()
    for kind in Run.Kind:
        asking.ask_for_run(kind=kind, now=now)
    made = []

    def meanwhile(run: Run) -> Run:
        # As another worker would, that came while this one was at work.
        Run.objects.filter(state=Run.State.ASKED).update(state=Run.State.RUNNING)
        made.append(run)
        return run

    monkeypatch.setattr(services, "carry_out", meanwhile)
    assert asking.make_asked(now=now) == 1
    assert len(made) == 1


def test_epochs_are_proven_by_runs() -> None:
    now = database_now()
    epoch = make_epoch(started_at=now)
    use = make_use(price=make_price(), admitted_at=now)
    commit(epoch, use, use)
    Epoch.objects.filter(pk=epoch.pk).update(admitted=5, settled=2, voided=1)

    run = services.reconcile(now=now)

    proof = EpochProof.objects.get()
    assert (proof.run, proof.is_complete, proof.left_open) == (run, True, 2)
    assert (proof.events, proof.originals, proof.last_seq) == (2, 2, 2)
    Epoch.objects.filter(pk=epoch.pk).update(state="closed", last_seq=3, settled=3)
    again = services.reconcile(now=now)
    proof = EpochProof.objects.get()
    assert (proof.run, proof.is_complete) == (again, False)
    held = (proof.is_numbered, proof.is_settled, proof.is_counted)
    assert held == (False, False, False)
    address = page("reconciliation_epochproof", "changelist")
    client = signed_in()
    listed = words(client.get(address, {"complete": "0"}).content)
    shown = client.get(page("reconciliation_epochproof", "change", epoch.pk))
    assert "incomplete" in words(shown.content)
    assert "1 requests seen only as a difference" in listed


@pytest.fixture
def admin(operator_db: None) -> Client:
    return signed_in()


def test_operators_take_explain_and_hand_on(admin: Client) -> None:
    (case,) = found_by(of(amount=7))
    listed = words(admin.get(page("reconciliation_case", "changelist")).content)
    assert "a day" in listed
    assert "1 open case, 1 without an owner" in words(admin.get("/admin/").content)

    confirm(admin, action("reconciliation_case", "take", case.pk))
    case.refresh_from_db()
    assert case.owner is not None
    dialog = words(admin.get(action("reconciliation_case", "explain", case.pk)).content)
    assert "until it is more than 14. Open cases of this check: 1" in dialog
    confirm(admin, action("reconciliation_case", "explain", case.pk), note="A test.")
    case.refresh_from_db()
    assert (case.state, case.note) == ("explained", "A test.")
    submit(admin, page("reconciliation_case", "change", case.pk), {"owner": ""})
    case.refresh_from_db()
    assert case.owner is None
    told = AuditEntry.objects.filter(object_kind="reconciliation_case")
    assert [each.action for each in told.order_by("pk")] == [
        "take",
        "explain",
        "release",
    ]


def test_operators_ask_for_a_run(admin: Client) -> None:
    admin.post(page("reconciliation_run", "add"), {"kind": "reconcile"})
    run = Run.objects.get()
    assert (run.state, run.is_whole) == (Run.State.ASKED, True)
    shown = words(admin.get(page("reconciliation_run", "change", run.pk)).content)
    assert "Asked" in shown
