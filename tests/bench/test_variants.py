"""What the table of costs says of measurements, and that recovery is really timed."""

import re
from dataclasses import replace

import psycopg
import pytest

from tests.bench import journal_costs
from tests.bench.paired import cost_table
from tests.bench.report import Measurement
from tests.bench.scenarios import SCENARIOS
from tests.bench.test_report import TOLLGATE as ROW
from tests.bench.variants import AS_IT_IS, NEITHER
from tests.databases import Database

SLOTS, UNSETTLED = 50, 10


def cells(scenario: str, *rows: Measurement) -> dict[str, list[str]]:
    """Return the cells of a table by their gateway."""
    measured = {
        name: [row for row in rows if row.target == name]
        for name in (AS_IT_IS, NEITHER)
    }
    lines = cost_table(SCENARIOS[scenario], measured, base=NEITHER).splitlines()[3:]
    return {name: rest for name, *rest in (re.split("  +", line) for line in lines)}


@pytest.fixture
def few_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what is measured small."""
    monkeypatch.setattr(journal_costs, "ROUNDS", 1)
    monkeypatch.setattr(journal_costs, "SLOTS", SLOTS)
    monkeypatch.setattr(journal_costs, "UNSETTLED", UNSETTLED)


def test_a_round_is_compared_with_the_same_round() -> None:
    """A machine that gets slower halfway through makes neither of them dearer."""
    rates = {AS_IT_IS: (50, 500, 400), NEITHER: (100, 600, 800)}
    rows = [
        replace(ROW, target=name, requests_per_s=rate)
        for name, of_rounds in rates.items()
        for rate in of_rounds
    ]
    crowded = [
        replace(ROW, target=name, other_cores=1.5) for name in rates for _ in "ab"
    ]
    found = cells("ns", *rows, *crowded)
    assert found[AS_IT_IS][:2] == ["400", "0.500"]
    assert found[NEITHER][:2] == ["600", "1.000"]


def test_rounds_of_a_busy_machine_do_not_count() -> None:
    quiet = {name: replace(ROW, target=name) for name in (AS_IT_IS, NEITHER)}
    starved = replace(quiet[AS_IT_IS], requests_per_s=1.0)
    crowded = replace(quiet[NEITHER], other_cores=1.5)
    found = cells("ns", starved, quiet[AS_IT_IS], crowded, quiet[NEITHER])
    assert found[AS_IT_IS][:2] == ["1,000", "1.000"]


def test_endings_are_compared_where_tokens_are_paced() -> None:
    row = replace(ROW, ending_ms_p50=3.0, ending_ms_p99=9.0)
    base = replace(row, target=NEITHER, ending_ms_p50=1.5, ending_ms_p99=0.0)
    found = cells("c16", replace(row, target=AS_IT_IS), base)
    assert found[AS_IT_IS][6:10] == ["3.00", "2.000", "9.00", "-"]
    assert found[NEITHER][6:8] == ["1.50", "1.000"]


@pytest.mark.usefixtures("few_slots")
def test_every_act_of_the_journal_has_a_time() -> None:
    titles, *lines = journal_costs.acts_table().strip().splitlines()
    assert titles.split()[:2] == ["journal", "us"]
    assert len(lines) == 6
    for line in lines:
        assert all(float(cell.replace(",", "")) > 0 for cell in line.split()[-4:])


@pytest.mark.usefixtures("few_slots")
async def test_what_is_recovered_is_a_real_debt(fresh_database: Database) -> None:
    said = await journal_costs.recovery_table(fresh_database.url_for("gateway"))
    assert f"recovery of {SLOTS} slots, {UNSETTLED} of them unsettled" in said
    with psycopg.connect(fresh_database.url_for("operator")) as session:
        epochs = session.execute("SELECT state, settled, admitted FROM usage_epoch")
        assert epochs.fetchall() == [("closed", SLOTS, SLOTS)]
