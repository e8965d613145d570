"""Rates are exact over processes, slots never leak, a failing store is not felt."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.databases import cloned
from tests.inference.limiting.store import Store
from tests.journeys.limits.cluster import Cluster, running_cluster
from tests.journeys.limits.flow import asked_for, burst, crowd

pytestmark = pytest.mark.timeout(900)

SLOTS = 8
REQUESTS = int(os.environ.get("CROWD", "3000"))
RUNS = int(os.environ.get("SEEDS", "3"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Provide a Valkey that the processes share."""
    with Store(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture(scope="module")
def cluster(
    postgres_server: str,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
    store: Store,
) -> Iterator[Cluster]:
    """Provide four processes before that store, patient with a busy machine."""
    folder: Path = tmp_path_factory.mktemp("gateways")
    with (
        django_db_blocker.unblock(),
        cloned(postgres_server) as database,
        running_cluster(
            database, folder, REDIS_URL=store.url, RATE_LIMITER_TIMEOUT_MS="500"
        ) as cluster,
    ):
        yield cluster


@pytest.mark.parametrize("run", range(RUNS))
def test_a_burst_passes_as_far_as_the_limit_and_no_further(
    cluster: Cluster, run: int
) -> None:
    limit = 40 + 7 * run
    seen = burst(cluster, limit=limit, window="minute")
    least, most = seen.expected(limit, "minute")
    print(  # noqa: T201
        f"burst {run}: limit {limit}, {seen.allowed} passed, of {least} to {most}"
    )
    assert not seen.others
    assert least <= seen.allowed <= most


def test_slots_are_never_exceeded_and_never_lost(cluster: Cluster) -> None:
    seen = crowd(cluster, slots=SLOTS, requests=REQUESTS, workers=24, seed=5)
    print(  # noqa: T201
        f"crowd: {seen.requests:,} requests, {seen.left:,} left, {seen.refused:,}"
        f" refused, {seen.most_at_once} at once,"
        f" {seen.bytes_per_request:.0f} bytes grown per request"
    )
    assert 0 < seen.most_at_once <= SLOTS
    assert seen.left > REQUESTS * 0.1


@pytest.mark.parametrize("failure", [Store.flush, Store.freeze, Store.kill])
def test_a_store_that_fails_is_not_felt(
    cluster: Cluster, store: Store, failure: Callable[[Store], None]
) -> None:
    cluster.engine.change(answer_tokens_max=1, inter_token_ms=0)
    customer = cluster.customer()
    cluster.rate(customer, 10_000_000, "requests", "minute")
    cluster.limit(customer, 10**16)
    cluster.await_published(customer)
    before = asyncio.run(asked_for(cluster, customer, seconds=2, workers=8))
    failure(store)
    try:
        # Until the breakers are open.
        asyncio.run(asked_for(cluster, customer, seconds=4, workers=8))
        during = asyncio.run(asked_for(cluster, customer, seconds=3, workers=8))
    finally:
        store.thaw()
        store.kill()
        store.start()
    print(  # noqa: T201
        f"{failure.__name__}: {during.share:.2%} served,"
        f" p99 {before.p99_ms():.1f} -> {during.p99_ms():.1f} ms"
    )
    assert during.share >= 0.999
    books = cluster.at_rest(customer)
    assert books.posted == books.charged
