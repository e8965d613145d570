"""One page says whether the books agree, what was looked at, and what waits."""

import csv
import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone

from metering.jobs.models import Job
from metering.reconciliation.models import Run
from tests.admin import signed_in, words
from tests.factories.inbox import Remembering, take_in, told
from tests.pages.conftest import SignIn
from tests.pages.reading import tables

PROOF = "/admin/proof/"


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def run_of(kind: Run.Kind, differences: int) -> Run:
    """Write down a whole run that made one check."""
    now = timezone.now()
    return Run.objects.create(
        kind=kind,
        is_whole=True,
        state=Run.State.DIFFERS if differences else Run.State.AGREES,
        started_at=now - dt.timedelta(hours=1),
        finished_at=now,
        difference_count=differences,
        checks=[
            {"name": "entries_balance", "rows": 1200, "differences": differences},
            {"name": f"of_{kind}", "rows": 3, "differences": 0},
        ],
    )


def test_before_the_first_run_nothing_is_called_proven(admin: Client) -> None:
    shown = words(admin.get(PROOF).content)
    assert "Differences not checked yet" in shown
    assert "not all checks were made yet" in shown
    assert "No whole run has been made yet" in shown


def test_zero_is_said_with_what_was_looked_at(admin: Client) -> None:
    for kind in Run.Kind:
        run_of(kind, 0)
    page = admin.get(PROOF).content
    shown = words(page)
    assert "Differences 0 agrees" in shown
    assert "Checks 3" in shown
    assert "checked 1" in shown
    rows = tables(page)["Checks of the last whole runs"][1:]
    assert [row[3] for row in rows if "entries balance" in row[0]] == ["1,200"]


def test_a_difference_leads_to_its_run(admin: Client) -> None:
    run_of(Run.Kind.RECONCILE, 0)
    run = run_of(Run.Kind.VERIFY_LEDGER, 2)
    page = admin.get(PROOF).content
    assert "Differences 2 must be none" in words(page)
    assert f"/admin/reconciliation/run/{run.pk}/change/" in page.decode()
    assert tables(page)["Checks of the last whole runs"][1][1] == "2 differ"


def test_what_waits_is_counted_and_leads_to_its_rows(admin: Client) -> None:
    Remembering()
    take_in(told(), problem="It is of another version.")
    Job.objects.create(
        kind="x", subject="1", title="?", state="failed", finished_at=timezone.now()
    )
    page = admin.get(PROOF).content
    rows = {row[0]: row[1:3] for row in tables(page)["To be seen through"][1:]}
    told_us = next(row for name, row in rows.items() if name.startswith("Events"))
    assert told_us == ["1", "1 for somebody"]
    failed = next(row for name, row in rows.items() if name.startswith("Jobs"))
    assert failed == ["1", "1 for somebody"]
    assert "/admin/jobs/job/?state__exact=failed" in page.decode()

    file = admin.get(f"{PROOF}?file=waiting").content.decode()
    assert len(list(csv.DictReader(file.splitlines()))) == len(rows)


def test_who_may_not_see_runs_sees_none_of_it(sign_in: SignIn) -> None:
    assert sign_in("usage.view_dayrollup").get(PROOF).status_code == 403


def test_who_sees_runs_alone_is_told_of_no_backlog(sign_in: SignIn) -> None:
    page = sign_in("reconciliation.view_run").get(PROOF)
    assert page.status_code == 200
    assert "Calls to billing providers" not in words(page.content)
