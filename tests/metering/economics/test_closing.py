"""A month is closed by evidence, signatures and two people, and opened for a reason."""

import datetime as dt
from dataclasses import replace

import pytest
from django.contrib.auth.models import Group, User
from django.db.models import F

from kit.contracts import TokenCounts
from kit.errors import Conflict, PermissionDenied
from metering.billing.models import Invoice, Seller
from metering.billing.periods import note_due
from metering.billing.services import close_period, issue_invoice
from metering.economics.close_models import CloseSignature
from metering.economics.closing import evidence
from metering.economics.closing import services as closing
from metering.economics.closing.checklist import Checklist, State, checklist
from metering.economics.closing.exceptions import Why, exceptions
from metering.economics.closing.services import check_month, lock, reopen, sign
from metering.economics.services import work_out
from metering.jobs.models import Job
from metering.jobs.stepping import work
from metering.ledger.locking import ends_for_all_at, is_locked
from metering.ledger.models import Account, Transaction
from metering.ledger.services import Amount, Posting, post
from metering.reconciliation.asking import make_asked
from metering.reconciliation.catalogue import CHECKS
from metering.reconciliation.models import RUN_TIME_MAX, Run
from metering.reconciliation.services import verify_ledger
from metering.usage.models import Epoch
from metering.usage.services import roll_up
from tests.factories.accounts import make_person
from tests.factories.billing import (
    CLOSED,
    FIRST,
    make_draft,
    make_month,
    make_tenant_of,
)
from tests.factories.economics import make_rate, make_span

pytestmark = pytest.mark.usefixtures("operator_db")

Step = CloseSignature.Step
NOW = ends_for_all_at(FIRST) + dt.timedelta(days=3)
HOUR = dt.timedelta(hours=1)
OF_RUN = {"rollups", "rated", "ledger", "final", "provider", "payments", "credit"}
MILLION = TokenCounts(output_tokens=1_000_000)


def member(name: str, group: str) -> User:
    user = make_person(name)
    user.is_staff = True
    user.save()
    user.groups.add(Group.objects.get(name=group))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def preparer(operator_db: None) -> User:
    return member("pat", "Finance")


@pytest.fixture
def approver(operator_db: None) -> User:
    return member("alex", "Finance approvers")


@pytest.fixture
def invoice(operator_db: None) -> Invoice:
    """Provide a month whose one invoice is issued, all worked out and checked."""
    invoice = make_draft(counts=MILLION)
    issue_invoice(invoice=invoice, now=CLOSED)
    roll_up()
    # As a gateway would have said it.
    Epoch.objects.update(admitted=F("last_seq"), settled=F("last_seq"))
    return invoice


def worked_out() -> None:
    for day in range(30):
        work_out(date=FIRST + dt.timedelta(days=day), now=NOW)


def states(found: Checklist | None = None) -> dict[str, State]:
    found = found or checklist(month=FIRST, now=NOW)
    return {step.name: step.state for step in found.steps}


def to_do() -> set[str]:
    return {name for name, state in states().items() if state is not State.DONE}


def prepare(by: User) -> None:
    worked_out()
    verify_ledger(now=NOW)
    for step in Step:
        sign(month=FIRST, step=step, by=by, now=NOW)


def test_each_step_is_done_by_its_own_evidence(
    invoice: Invoice, preparer: User
) -> None:
    rest = {"exceptions", "costs", "report", "lock"}
    assert to_do() == OF_RUN | rest
    verify_ledger(now=NOW)
    assert to_do() == {"payments", *rest}
    worked_out()
    assert to_do() == {"payments", "exceptions", "report", "lock"}
    sign(month=FIRST, step=Step.EXCEPTIONS, by=preparer, now=NOW)
    with pytest.raises(Conflict, match="8 \\(Payments"):
        sign(month=FIRST, step=Step.REPORT, by=preparer, now=NOW)
    sign(month=FIRST, step=Step.PAYMENTS, by=preparer, now=NOW)
    sign(month=FIRST, step=Step.REPORT, by=preparer, now=NOW)
    assert to_do() == {"lock"}


def test_two_people_lock_it_and_one_reopens_it(
    invoice: Invoice, preparer: User, approver: User
) -> None:
    prepare(preparer)
    row = lock(month=FIRST, by=approver, now=NOW)
    assert (row.prepared_by_id, row.approved_by_id) == (preparer.pk, approver.pk)
    found = checklist(month=FIRST, now=NOW)
    assert (found.done, found.wrong, found.is_locked) == (13, 0, True)
    with pytest.raises(Conflict, match="locked"):
        sign(month=FIRST, step=Step.REPORT, by=preparer, now=NOW)
    with pytest.raises(Conflict, match="locked"):
        check_month(month=FIRST, by=preparer)
    with pytest.raises(Conflict, match="locked"):
        make_rate(starts_on=FIRST)
    reopen(month=FIRST, by=approver, reason="A bill came late", now=NOW + HOUR)
    signed = {"exceptions", "payments", "report", "lock"}
    assert to_do() == signed | OF_RUN
    verify_ledger(now=NOW + 2 * HOUR)
    assert to_do() == signed


def test_nobody_signs_before_there_is_what_they_sign(preparer: User) -> None:
    early = ends_for_all_at(FIRST) - HOUR
    for month in (FIRST, dt.date(2027, 3, 1)):
        for step in (Step.EXCEPTIONS, Step.PAYMENTS):
            with pytest.raises(Conflict, match="yet"):
                sign(month=month, step=step, by=preparer, now=early)
    make_month()
    note_due(now=NOW)
    with pytest.raises(Conflict, match="step 5 is not done"):
        sign(month=FIRST, step=Step.EXCEPTIONS, by=preparer, now=NOW)
    assert not CloseSignature.objects.exists()


def test_who_signed_the_figures_does_not_approve_them(
    invoice: Invoice, preparer: User, approver: User
) -> None:
    approver.groups.add(Group.objects.get(name="Finance"))
    both = User.objects.get(pk=approver.pk)
    prepare(both)
    with pytest.raises(Conflict, match="another person"):
        lock(month=FIRST, by=both, now=NOW)
    with pytest.raises(PermissionDenied):
        lock(month=FIRST, by=preparer, now=NOW)
    assert not is_locked(FIRST)


def test_figures_that_changed_are_signed_again(
    invoice: Invoice, preparer: User, approver: User
) -> None:
    prepare(preparer)
    at = dt.datetime(2026, 9, 20, tzinfo=dt.UTC)
    amounts = (Amount(Account.Kind.CASH, 5), Amount(Account.Kind.DISCOUNTS, -5))
    kind = Transaction.Kind.PAYMENT
    post(postings=[Posting(invoice.tenant_id, kind, "late", "USD", at, amounts)])
    assert states()["report"] is State.WRONG
    with pytest.raises(Conflict, match="12"):
        lock(month=FIRST, by=approver, now=NOW)
    # Nor have the checks seen what was booked since: they are made again.
    assert {"rollups", "ledger", "final"} <= to_do()
    with pytest.raises(Conflict, match="2 \\(Rollups"):
        sign(month=FIRST, step=Step.REPORT, by=preparer, now=NOW)
    verify_ledger(now=NOW)
    sign(month=FIRST, step=Step.REPORT, by=preparer, now=NOW)
    lock(month=FIRST, by=approver, now=NOW)


def test_exceptions_that_changed_are_reviewed_again(
    invoice: Invoice,
    preparer: User,
    approver: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare(preparer)
    (listed,) = exceptions(month=FIRST)
    drafted = replace(listed, amount_minor=7)
    for module in (evidence, closing):
        monkeypatch.setattr(module, "exceptions", lambda *, month: [listed, drafted])
    assert states()["exceptions"] is State.TO_DO
    with pytest.raises(Conflict, match="5 \\(Invoices are drafted"):
        lock(month=FIRST, by=approver, now=NOW)
    sign(month=FIRST, step=Step.EXCEPTIONS, by=preparer, now=NOW)
    assert states()["exceptions"] is State.DONE


def test_rights_are_asked_for(invoice: Invoice, approver: User) -> None:
    for refused in (
        lambda: sign(month=FIRST, step=Step.PAYMENTS, by=approver, now=NOW),
        lambda: check_month(month=FIRST, by=approver),
    ):
        with pytest.raises(PermissionDenied):
            refused()


def test_hours_without_a_rate_keep_costs_open(invoice: Invoice) -> None:
    noon = dt.datetime(2026, 9, 9, 12, tzinfo=dt.UTC)
    make_span(model="demo-model", starts_at=noon, until=noon + 2 * HOUR)
    worked_out()
    (costs,) = (
        step for step in checklist(month=FIRST, now=NOW).steps if step.name == "costs"
    )
    assert (costs.state, costs.says) == (State.TO_DO, "2 replica-hours have no rate.")
    make_rate("2.00")
    worked_out()
    assert states()["costs"] is State.DONE


def test_a_difference_makes_its_step_wrong(invoice: Invoice, preparer: User) -> None:
    Seller.objects.update(last_number=9)
    worked_out()
    verify_ledger(now=NOW)
    found = checklist(month=FIRST, now=NOW)
    (final,) = (step for step in found.steps if step.name == "final")
    assert final.state is State.WRONG
    assert "invoices_numbered: " in final.says
    assert final.run_id == found.run_id


def test_invoices_that_stand_out_are_listed() -> None:
    first = make_draft(counts=MILLION)
    (new,) = exceptions(month=FIRST)
    assert (new.public_id, new.why) == (first.public_id, Why.NEW)
    tenant = make_tenant_of()
    close_period(tenant=tenant, date=FIRST, now=CLOSED)
    assert {row.why for row in exceptions(month=FIRST)} <= {Why.NEW, Why.ZERO}
    assert exceptions(month=dt.date(2026, 12, 1)) == []


def test_a_job_brings_the_evidence_up_to_date(invoice: Invoice, preparer: User) -> None:
    job = check_month(month=FIRST, by=preparer)
    for minute in range(40):
        work(now=NOW + minute * HOUR / 60)
        make_asked(now=NOW)
    job = Job.objects.get(pk=job.pk)
    assert (job.state, job.done) == (Job.State.DONE, 30)
    assert job.outcome["checks"] == "agrees"
    assert to_do() == {"payments", "exceptions", "report", "lock"}


def test_a_job_asks_again_for_a_run_that_was_cut_off(
    invoice: Invoice, preparer: User
) -> None:
    job = check_month(month=FIRST, by=preparer)
    for minute in range(31):
        work(now=NOW + minute * HOUR / 60)
    # Its worker was killed as it began.
    Run.objects.update(state=Run.State.RUNNING)
    later = NOW + HOUR / 2 + RUN_TIME_MAX
    work(now=later)
    make_asked(now=later)
    work(now=later + HOUR)
    job.refresh_from_db()
    assert (job.state, job.outcome["checks"]) == (Job.State.DONE, "agrees")


def test_an_open_period_keeps_it_open() -> None:
    make_month()
    note_due(now=NOW)
    found = {step.name: step for step in checklist(month=FIRST, now=NOW).steps}
    assert found["exceptions"].state is State.TO_DO
    assert "not closed" in found["exceptions"].says
    assert found["accruals"].state is State.TO_DO
    assert closing.APPROVE == "economics.approve_close"


def test_each_check_of_the_books_is_evidence_of_a_step() -> None:
    of_steps = [
        *evidence.ROLLUPS,
        *evidence.RATED,
        *evidence.LEDGER,
        *evidence.FINAL,
        *evidence.PROVIDER,
        *evidence.PAYMENTS,
        *evidence.CREDIT,
    ]
    of_budgets = ["windows_posted", "windows_leased"]
    made = [check.name for check in CHECKS[Run.Kind.VERIFY_LEDGER]]
    assert sorted(of_steps + of_budgets) == sorted(made)
