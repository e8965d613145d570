"""What limits cost is shown, not judged: a busy machine says nothing about time."""

from pathlib import Path

import pytest

from tests.databases import Database
from tests.inference.limiting.store import Store
from tests.journeys.limits.cluster import running_cluster
from tests.journeys.limits.cost import admission_cost

pytestmark = [pytest.mark.timeout(300), pytest.mark.timed]


def test_requests_with_many_limits_are_served_as_those_without(
    fresh_database: Database, tmp_path: Path
) -> None:
    with (
        Store(tmp_path) as store,
        running_cluster(
            fresh_database, tmp_path, gateways=1, REDIS_URL=store.url
        ) as cluster,
    ):
        without, with_limits = admission_cost(cluster)
    print(f"without limits: {without}\nwith limits: {with_limits}")  # noqa: T201
    assert len(with_limits.first_ms) == len(without.first_ms)
