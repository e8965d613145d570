"""What the tables say of measurements, and what the machine says of processes."""

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.bench.machine import Cores, usage_of
from tests.bench.report import Measurement, percentile_ms, table
from tests.bench.scenarios import SCENARIOS

SATURATED = SCENARIOS["sat"]
DIRECT = Measurement(
    scenario="sat",
    target="direct",
    requests_per_s=2000.0,
    tokens_per_s=128_000.0,
    first_ms_p50=1.0,
    first_ms_p99=4.0,
    gap_ms_p50=None,
    gap_ms_p99=None,
    errors=0,
    broken=0,
    client_cores=0.5,
    engine_cores=0.45,
    other_cores=0.0,
)
NGINX = replace(
    DIRECT, target="nginx", first_ms_p50=1.25, gateway_cores=0.5, engine_cores=0.3
)
TOLLGATE = replace(
    NGINX, target="tollgate", tokens_per_s=64_000.0, requests_per_s=1000.0
)


def cells(*rows: Measurement) -> dict[str, dict[str, str]]:
    """Return the cells of a table by target and title."""
    by_target: dict[str, list[Measurement]] = {}
    for row in rows:
        by_target.setdefault(row.target, []).append(row)
    text = table(SATURATED, by_target, load_is_shared=True)
    titles, *lines = [re.split("  +", line) for line in text.splitlines()[4:]]
    # The lines below the table are prose.
    whole = [line for line in lines if len(line) == len(titles)]
    return {line[0]: dict(zip(titles, line, strict=True)) for line in whole}


def test_delays_are_added_to_those_of_the_engine_alone() -> None:
    shown = cells(DIRECT, NGINX)
    assert shown["direct"]["ttft ms p50"] == "1.00"
    assert shown["nginx"]["ttft ms p50"] == "+0.25"


def test_cpu_is_compared_for_the_same_work() -> None:
    shown = cells(DIRECT, NGINX, TOLLGATE)
    assert shown["tollgate"]["x nginx"] == "2.00"
    assert shown["nginx"]["cpu ms/100k tok"] == "390.6"


def test_the_stores_cpu_stands_beside_the_gateway_s_and_with_it() -> None:
    row = replace(TOLLGATE, database_cores=0.2, cache_cores=0.1)
    assert row.database_ms_per_1k_requests == pytest.approx(200)
    assert row.cache_ms_per_1k_requests == pytest.approx(100)
    assert row.all_ms_per_1k_requests == pytest.approx(800)
    shown = cells(DIRECT, NGINX, row)
    assert shown["tollgate"]["with stores"] == "1,250.0"
    assert shown["nginx"]["with stores"] == shown["nginx"]["cpu ms/100k tok"]
    assert shown["direct"]["with stores"] == "-"


def test_without_nginx_throughput_is_compared() -> None:
    assert cells(DIRECT, TOLLGATE)["tollgate"]["x direct"] == "2.00"


def test_a_median_is_not_moved_by_one_bad_round() -> None:
    disturbed = replace(TOLLGATE, gateway_cores=5.0)
    shown = cells(DIRECT, NGINX, TOLLGATE, disturbed, TOLLGATE)
    assert shown["tollgate"]["x nginx"] == "2.00"


def test_a_busy_client_is_marked() -> None:
    shown = cells(DIRECT, NGINX)
    assert shown["direct"]["client"] == "0.50!"
    assert shown["nginx"]["client"] == "0.50"


def test_faults_of_all_rounds_are_shown() -> None:
    faulty = replace(TOLLGATE, broken=2, reasons={"7 tokens of 8": 2})
    text = table(SATURATED, {"tollgate": [faulty, faulty]}, load_is_shared=True)
    assert cells(faulty, faulty)["tollgate"]["broken"] == "4"
    assert text.count("tollgate: 2 x 7 tokens of 8") == 2


def test_percentiles() -> None:
    values_ns = [number * 1_000_000 for number in range(100)]
    assert percentile_ms(values_ns, 0.5) == 50.0
    assert percentile_ms(values_ns, 0.99) == 99.0
    assert percentile_ms([], 0.5) is None


@pytest.mark.parametrize("cores", [1, 2, 3, 8])
def test_the_gateway_shares_its_core_only_where_there_is_one(
    cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    divided = Cores.divided()
    others = divided.client | divided.engine | divided.rest
    assert divided.gateway.isdisjoint(others) == (cores > 1)
    assert divided.load_is_shared == (cores < 3)


def test_a_child_counts_while_it_runs_and_afterwards() -> None:
    spend = "import time\nwhile time.process_time() < 0.3: pass\n"
    parent = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {spend!r}])\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        usage = usage_of(process.pid)
        process.communicate()
    assert usage.cpu_s >= 0.29
    assert usage.resident_bytes > 1_000_000
