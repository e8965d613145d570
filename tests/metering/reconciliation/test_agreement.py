"""Books that are right: both commands agree, and say what waits for its next step."""

import datetime as dt

import pytest

from kit.orm.atomic import cursor
from kit.orm.roles import as_operator
from metering.reconciliation.catalogue import CHECKS
from metering.reconciliation.checks import rollups
from metering.reconciliation.checks.check import Scope
from metering.reconciliation.models import Difference, Run
from metering.usage.models import KeyHourSpan
from tests.databases import Database
from tests.factories.reconciliation import corrupting
from tests.metering.reconciliation.commands import START, run, run_json

CHARGE = "5414805600000"


@pytest.mark.parametrize("arguments", [("reconcile", START), ("verify_ledger",)])
def test_right_books_have_no_difference(
    books: Database, arguments: tuple[str, ...]
) -> None:
    status, document = run_json(*arguments)

    assert status == 0
    assert (document["state"], document["differences"]) == ("agrees", 0)
    made = {check["name"]: check["rows"] for check in document["checks"]}
    assert list(made) == [check.name for check in CHECKS[Run.Kind(document["kind"])]]
    assert {name for name, rows in made.items() if not rows} <= {
        "providers_agree",
        # Nothing was read of engines, taken back or paid ahead: their own tests do.
        "engines_counted",
        "notes_within_lines",
        "burns_booked",
        "invoices_collected",
        "providers_heard",
        # No month is locked.
        "locked_months_stand",
    }
    with as_operator():
        assert Difference.objects.count() == 0


def test_the_chain_says_what_waits_for_each_step(books: Database) -> None:
    _, document = run_json("reconcile", START)

    steps = {each["name"]: each for each in document["steps"] if "USD" in each.values()}

    assert list(steps) == ["metered", "rated", "rolled up", "posted", "invoiced"]
    assert steps["metered"]["charge_picos"] == steps["rated"]["charge_picos"]
    assert steps["metered"]["charge_picos"] == str(5 * int(CHARGE))
    waiting = {
        name: (step["waits"], step["waits_as"], step["waits_picos"])
        for name, step in steps.items()
        if step["waits"]
    }
    assert waiting == {
        "rolled up": (1, "event", CHARGE),
        "posted": (1, "day", CHARGE),
        "invoiced": (3, "posting", CHARGE),
    }
    assert {step["differs_picos"] for step in steps.values()} == {"0"}


def test_a_window_and_a_tenant_narrow_the_chain(books: Database) -> None:
    status, document = run_json("reconcile", START, "--end=2026-10-01", "--tenant=acme")

    assert status == 0
    assert {each["currency"] for each in document["steps"]} == {"USD"}
    sums = {each["name"]: each["charge_picos"] for each in document["steps"]}
    assert set(sums.values()) == {str(2 * int(CHARGE))}
    assert {each["waits"] for each in document["steps"]} == {0}
    made = [check["name"] for check in document["checks"]]
    assert "epochs_numbered" not in made
    assert "days_rolled_up" in made


def test_the_usual_window_begins_35_days_ago(books: Database) -> None:
    _, document = run_json("reconcile")
    with as_operator():
        made = Run.objects.get(pk=document["run"])
    assert made.is_whole
    assert made.first_date is not None
    assert (made.started_at.date() - made.first_date).days == 35


def test_people_read_tables(books: Database) -> None:
    status, printed = run("reconcile", START)

    assert status == 0
    assert "billing days from 2026-09-01, all tenants" in printed
    assert "posted     USD          9  16.2444168           0  1 day, 5.4148" in printed
    assert "No difference." in printed


@pytest.mark.parametrize(
    "arguments",
    [
        ("--start=yesterday",),
        ("--end=2026-13-01",),
        ("--start=2026-10-01", "--end=2026-10-01"),
        ("--tenant=nobody",),
    ],
)
def test_wrong_usage_makes_no_run(books: Database, arguments: tuple[str, ...]) -> None:
    status, printed = run("reconcile", *arguments)
    assert (status != 0, printed) == (True, "")
    with as_operator():
        assert not Run.objects.exists()


def test_hours_may_come_later_than_days(books: Database) -> None:
    with corrupting(books) as session:
        session.execute("UPDATE usage_rollupmark SET hours_seq = 0, keyed_seq = 0")
        session.execute("TRUNCATE usage_hourrollup, usage_keyhourrollup")
    assert run("reconcile", START)[0] == 0


def test_totals_may_come_later_than_days(books: Database) -> None:
    with corrupting(books) as session:
        session.execute("UPDATE usage_rollupmark SET totals_seq = 0")
        session.execute("TRUNCATE usage_utcrollup, usage_hourtotal")
    assert run("reconcile", START)[0] == 0


def test_months_without_hours_by_key_are_not_read_for_them(books: Database) -> None:
    asked = f"{rollups._KEY_HOURS} SELECT * FROM difference"
    with as_operator(), cursor() as session:
        bound = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
        KeyHourSpan.objects.update(kept_from=bound)
        session.execute(f"EXPLAIN (ANALYZE) {asked}", Scope().parameters)
        plan = [line for (line,) in session.fetchall() if "usage_event_2026_" in line]
    read = {line.split("usage_event_")[1][:7] for line in plan if "never" not in line}
    assert "2026_10" in read
    assert "2026_09" not in read
