"""What the policies come to on a fleet: how much is computed, and how even it is."""

from dataclasses import replace

import pytest

from inference.routing.least_loaded import LeastLoaded
from inference.routing.prefix_aware import PrefixAware
from inference.routing.round_robin import RoundRobin
from tests.inference.routing.conversations import Talks
from tests.inference.routing.fleet_simulation import Outcome, Simulation, Traffic

TALKS = Talks(turns=8)
PLAIN = Traffic(TALKS)


def prefix_aware(traffic: Traffic) -> Outcome:
    return Simulation(traffic, PrefixAware).run()


def round_robin(traffic: Traffic) -> Outcome:
    return Simulation(traffic, RoundRobin).run()


@pytest.mark.parametrize(
    "traffic",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(Traffic(replace(TALKS, at_once=52)), id="busy"),
        pytest.param(replace(PLAIN, tells_cached=False), id="engine tells nothing"),
        pytest.param(Traffic(replace(TALKS, system_words=2000)), id="long rules"),
        pytest.param(
            Traffic(replace(TALKS, tenants=16, at_once=96), replicas=16),
            id="16 replicas",
        ),
    ],
)
def test_half_of_what_turns_compute_is_not_computed(
    traffic: Traffic,
) -> None:
    mine, turns = prefix_aware(traffic), round_robin(traffic)
    assert mine.prompt_tokens == turns.prompt_tokens
    assert turns.computed_tokens >= 2 * mine.computed_tokens
    assert mine.spread <= 1.3


def test_one_tenant_alone_does_not_fill_one_replica() -> None:
    """All of its conversations begin alike, and have the same home."""
    traffic = Traffic(replace(TALKS, tenants=1, conversations_each=60))
    mine = prefix_aware(traffic)
    assert round_robin(traffic).computed_tokens >= 2 * mine.computed_tokens
    assert mine.spread <= 1.4


def test_gateways_that_know_nothing_of_each_other_agree() -> None:
    one = prefix_aware(PLAIN)
    three = prefix_aware(replace(PLAIN, gateways=3))
    assert three.computed_tokens <= 1.35 * one.computed_tokens
    assert three.spread <= 1.3


def test_load_is_even_where_it_alone_counts() -> None:
    assert Simulation(PLAIN, LeastLoaded).run().spread <= 1.05
    assert round_robin(PLAIN).spread <= 1.05
