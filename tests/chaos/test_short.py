"""A short seeded run of the chaos harness, on the tests' own PostgreSQL.

`make chaos` plays the same cases as often as is promised, and those that need a
PostgreSQL of their own.
"""

from pathlib import Path

import pytest
import uvloop

from tests.chaos.cases import CASES
from tests.chaos.report import table
from tests.chaos.stage import play
from tests.databases import Database

pytestmark = pytest.mark.timeout(180)

SEED = 20_261_121


@pytest.mark.parametrize(
    ("name", "times", "clients"),
    [
        ("kill9", 1, 10),
        ("commit_cut", 4, 8),
        ("engine_dies", 6, None),
        ("replica_killed", 1, 40),
        ("sigterm", 1, 10),
        ("pairs", 2, 8),
    ],
)
def test_no_promise_is_broken(
    fresh_database: Database,
    tmp_path: Path,
    name: str,
    times: int,
    clients: int | None,
) -> None:
    result = uvloop.run(
        play(
            CASES[name],
            database=fresh_database,
            server=None,
            folder=tmp_path,
            times=times,
            seed=SEED,
            clients=clients,
        )
    )
    print(table([result]))  # noqa: T201 (the figures are for people)
    assert result.judgement.requests > 0
    assert result.wrong == []
