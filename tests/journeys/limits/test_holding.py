"""Budgets hold on four gateway processes, to the pico, and refuse nobody too early."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.databases import cloned
from tests.journeys.limits.changes import (
    ENDS_WITHIN_S,
    charged_back,
    expired,
    lowered,
)
from tests.journeys.limits.cluster import Cluster, running_cluster
from tests.journeys.limits.rollover import midnight
from tests.journeys.limits.scenarios import (
    ANSWERS,
    agents,
    budget_for_some_answers,
    exhausted_in_the_middle,
)

pytestmark = pytest.mark.timeout(900)

# A few in `make test`, all that is promised in `make limits`.
SEEDS = range(1, 1 + int(os.environ.get("SEEDS", "2")))
CLIENTS = int(os.environ.get("CLIENTS", "300"))


@pytest.fixture(scope="module")
def cluster(
    postgres_server: str,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    """Provide four processes on a database of their own."""
    folder: Path = tmp_path_factory.mktemp("gateways")
    with (
        django_db_blocker.unblock(),
        cloned(postgres_server) as database,
        running_cluster(database, folder) as cluster,
    ):
        yield cluster


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_budget_for_some_answers_serves_them_all_one_by_one(
    cluster: Cluster, streamed: bool, seed: int
) -> None:
    figures = budget_for_some_answers(
        cluster, seed=seed, streamed=streamed, calls=ANSWERS + 2, at_once=1
    )
    print(f"one by one, seed {seed}: {figures}")  # noqa: T201
    assert figures.served == ANSWERS
    assert figures.unspent == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_budget_that_hundreds_want_at_once_is_spent_and_not_overspent(
    cluster: Cluster, seed: int
) -> None:
    figures = budget_for_some_answers(
        cluster, seed=100 + seed, streamed=None, calls=CLIENTS, at_once=CLIENTS
    )
    print(f"{CLIENTS:,} at once, seed {seed}: {figures}")  # noqa: T201


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_agents_that_ask_for_much_and_use_little_are_never_refused(
    cluster: Cluster, streamed: bool
) -> None:
    print("agents:", agents(cluster, streamed=streamed, count=64, rounds=2))  # noqa: T201


def test_streams_end_where_their_budget_ends(cluster: Cluster) -> None:
    print("exhausted:", exhausted_in_the_middle(cluster, streams=200))  # noqa: T201


@pytest.mark.parametrize("change", [lowered, charged_back, expired])
def test_what_may_be_spent_ends_within_a_second_when_it_is_taken_away(
    cluster: Cluster, change: Callable[[Cluster], float]
) -> None:
    seconds = change(cluster)
    print(f"{change.__name__}: the last stream ended after {seconds:.3f} s")  # noqa: T201
    assert seconds <= ENDS_WITHIN_S


def test_nobody_is_refused_because_a_day_and_a_month_end(cluster: Cluster) -> None:
    print("midnight:", midnight(cluster, in_s=4))  # noqa: T201
