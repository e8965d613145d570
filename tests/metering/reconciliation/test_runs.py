"""Runs: kept for good, seen when they crash, summed up on the front page."""

import datetime as dt
from importlib import import_module
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, OperationalError

from kit.orm.roles import as_operator
from metering.reconciliation import examination, services
from metering.reconciliation.checks.check import LISTED_MAX, Scope
from metering.reconciliation.models import RUN_TIME_MAX, Difference, Run
from metering.reconciliation.selectors import AGE_MAX, standing
from metering.reconciliation.tasks import reconcile, verify_ledger
from metering.usage.models import Epoch
from metering.usage.selectors import database_now
from tests.databases import Database
from tests.factories.usage import make_epoch
from tests.metering.reconciliation.commands import run

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
CHANGES = (
    "DELETE FROM reconciliation_difference",
    "UPDATE reconciliation_difference SET found = ''",
    "DELETE FROM reconciliation_run",
    "UPDATE reconciliation_run SET difference_count = 0",
    "INSERT INTO reconciliation_difference"
    " (run_id, check_name, tenant_id, subject, expected, found)"
    " SELECT run_id, check_name, tenant_id, 'later', expected, found"
    " FROM reconciliation_difference",
)


def short_of_a_request(count: int = 1) -> None:
    """Leave runs of gateways behind whose numbers have a gap."""
    for _ in range(count):
        epoch = make_epoch(started_at=NOW)
        Epoch.objects.filter(pk=epoch.pk).update(last_seq=1)


def test_tasks_keep_what_they_found(
    fresh_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with as_operator():
        short_of_a_request()

    reconcile()
    verify_ledger()

    with as_operator():
        kept = {run.kind: run for run in Run.objects.all()}
        assert set(kept) == set(Run.Kind)
        for run in kept.values():
            assert (run.state, run.difference_count) == (Run.State.DIFFERS, 1)
            assert run.finished_at is not None
            (found,) = run.differences.all()
            assert found.check_name == "epochs_numbered"
    alarms = [line for line in caplog.records if "books_differ" in line.getMessage()]
    assert [line.levelname for line in alarms] == ["ERROR", "ERROR"]


def test_all_are_counted_and_the_first_are_listed(operator_db: None) -> None:
    short_of_a_request(LISTED_MAX + 5)
    run = services.reconcile(now=database_now())
    assert run.difference_count == LISTED_MAX + 5
    assert run.differences.count() == LISTED_MAX


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("role", ["operator", "owner"])
def test_what_was_found_stays_found(
    fresh_database: Database, role: Any, change: str
) -> None:
    with as_operator():
        short_of_a_request()
        services.reconcile(now=database_now())
    refusals = (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.RestrictViolation,
    )
    with (
        psycopg.connect(fresh_database.url_for(role)) as session,
        pytest.raises(refusals),
    ):
        session.execute(change.encode())


def test_tenants_do_not_read_what_was_found(fresh_database: Database) -> None:
    for table in ("reconciliation_run", "reconciliation_difference"):
        with (
            psycopg.connect(fresh_database.url_for("app")) as app,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            app.execute(f"SELECT FROM {table}".encode())


def test_a_run_that_crashes_says_why(
    fresh_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(scope: Scope) -> None:
        raise DatabaseError("the connection was lost")

    monkeypatch.setattr(examination, "chain", broken)
    with as_operator():
        with pytest.raises(DatabaseError):
            services.verify_ledger(now=NOW)
        run = Run.objects.get()
        assert run.state == Run.State.CRASHED
        assert run.problem == "DatabaseError: the connection was lost"
        assert run.finished_at is not None
        assert standing(now=NOW).problem == f"the last check ({run}) crashed"


@pytest.mark.parametrize("command", ["reconcile", "verify_ledger"])
@pytest.mark.parametrize("error", [DatabaseError, InterfaceError, RuntimeError])
def test_books_that_cannot_be_checked_do_not_differ(
    fresh_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    error: type[Exception],
) -> None:
    def broken(scope: Scope) -> None:
        raise error("no answer")

    monkeypatch.setattr(examination, "chain", broken)
    assert run(command) == (3, "")


@pytest.mark.parametrize("command", ["reconcile", "verify_ledger"])
def test_a_database_that_is_away_is_no_difference(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def away() -> None:
        raise OperationalError("connection refused")

    module = import_module(f"metering.reconciliation.management.commands.{command}")
    monkeypatch.setattr(module, "database_now", away)
    assert run(command) == (3, "")


def test_a_run_that_was_killed_is_seen(operator_db: None) -> None:
    services.verify_ledger(now=NOW)
    services.reconcile(now=NOW)
    killed = Run.objects.create(kind=Run.Kind.RECONCILE, is_whole=True, started_at=NOW)
    assert standing(now=NOW + RUN_TIME_MAX).problem == ""

    later = NOW + RUN_TIME_MAX + HOUR
    assert "crashed" in standing(now=later).problem

    services.reconcile(now=later)
    killed.refresh_from_db()
    assert killed.state == Run.State.CRASHED
    assert standing(now=later).problem == ""


def test_sums_that_no_check_explains_are_no_agreement(
    operator_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metering.reconciliation.chain import Step  # noqa: PLC0415

    def astray(scope: Scope) -> tuple[Step, ...]:
        return (Step("rated", "USD", 1, 1, differs_picos=1),)

    monkeypatch.setattr(examination, "chain", astray)
    with pytest.raises(RuntimeError, match="no check says why"):
        services.reconcile(now=NOW)


def test_the_books_stand_as_the_newest_whole_runs_say(operator_db: None) -> None:
    assert standing(now=NOW).checked_at is None
    services.verify_ledger(now=NOW)
    assert standing(now=NOW).problem == "not all nightly checks were made"
    services.reconcile(now=NOW + HOUR)

    agreed = standing(now=NOW + HOUR)
    assert (agreed.checked_at, agreed.differences, agreed.problem) == (NOW, 0, "")
    assert standing(now=NOW + AGE_MAX + HOUR).problem == "the nightly check is overdue"

    short_of_a_request()
    services.reconcile(now=NOW + HOUR, first_date=NOW.date())
    assert standing(now=NOW + HOUR).differences == 0
    services.reconcile(now=NOW + HOUR)
    services.verify_ledger(now=NOW + HOUR)
    assert standing(now=NOW + HOUR).differences == 1


def test_an_epoch_left_behind_may_have_settled_more_than_it_said(
    operator_db: None,
) -> None:
    def counted(**fields: Any) -> int:
        epoch = make_epoch(started_at=NOW, state=Epoch.State.CLOSED)
        Epoch.objects.filter(pk=epoch.pk).update(**fields)
        made = services.reconcile(now=database_now())
        Epoch.objects.filter(pk=epoch.pk).update(admitted=0, voided=0, open_since=None)
        return made.difference_count

    # Last words of its own process: what was admitted is all accounted for.
    assert counted(admitted=1, voided=1) == 0
    assert counted(admitted=1, voided=2) == 1
    # Closed from outside: as of the last heartbeat, commits may have come after it.
    assert counted(admitted=1, voided=2, open_since=NOW) == 0
    assert counted(admitted=2, voided=1, open_since=NOW) == 1
    assert Difference.objects.filter(check_name="epochs_counted").count() == 2
