"""What requests and probes tell of replicas, and what the fleet makes of it."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from inference.routing.breaker import (
    BUSY_S,
    COOL_S,
    DEATHS_IN_A_ROW,
    DEATHS_IN_WINDOW,
    STEADY_S,
    State,
)
from inference.routing.fleet import Failure, Fleet, Place, Standing
from inference.routing.health import (
    FOREIGN_S,
    LAST_RESORT_S,
    PROBES_MISSED_MAX,
    ReplicaHealth,
)
from inference.routing.round_robin import RoundRobin
from inference.routing.router import RouteAsk
from inference.routing.serving import Policy
from inference.routing.snapshot import ReplicaEntry, Snapshot
from inference.scheduling.shares import WholeShares

DEATHS = (Failure.UNREACHABLE, Failure.LOST, Failure.SILENT)


@dataclass(slots=True)
class World:
    """A model with some replicas, at a time that tests say."""

    now: float = 100.0
    snapshot: Snapshot = field(default_factory=Snapshot)
    well: list[str] = field(default_factory=list[str])
    health: ReplicaHealth = field(init=False)
    fleet: Fleet = field(init=False)

    def __post_init__(self) -> None:
        """Publish the model and three replicas of two slots."""
        self.health = ReplicaHealth(now=lambda: self.now, chance=lambda: 1.0)
        self.health.on_well = self.well.append
        routers = dict.fromkeys(Policy, RoundRobin())
        self.fleet = Fleet(self.snapshot, self.health, WholeShares(), routers)
        model = {"context_tokens": 1, "max_output_tokens": None, "created": 1}
        self.snapshot.apply("model", "m", model)
        for number in (1, 2, 3):
            self.publish(number)

    def publish(self, number: int, **fields: object) -> None:
        """Publish a replica."""
        body = {
            "model": "m",
            "name": f"r{number}",
            "url": f"http://127.0.0.1:{number}",
            "dialect": "vllm",
            "upstream_model": "",
            "credential": "",
            "state": "active",
            "slots": 2,
            **fields,
        }
        self.snapshot.apply("replica", str(number), body)

    @property
    def replicas(self) -> list[ReplicaEntry]:
        """Return all that are active."""
        return list(self.snapshot.replicas_by_model["m"])

    def take(self, *, without: set[int] | None = None) -> Place | None:
        """Take a place for a new request."""
        ask = RouteAsk("m", "", "", 1, "", bytes)
        request_id: UUID = uuid4()
        return self.fleet.take(ask, request_id, without=without or set())

    def taken(self, times: int) -> set[int]:
        """Take so many places, give them back, and return whose they were."""
        places = [self.take() for _ in range(times)]
        for place in places:
            if place is not None:
                place.free()
        return {each.replica.id for each in places if each is not None}

    def kill(self, *numbers: int) -> None:
        """Let requests see so many deaths that the breakers open."""
        for each in self.replicas:
            for _ in range(DEATHS_IN_A_ROW if each.id in numbers else 0):
                self.health.failed(each, Failure.LOST)


@pytest.fixture
def world() -> World:
    """Give three replicas of which nothing is known."""
    return World()


def test_of_whom_nothing_is_known_is_well(world: World) -> None:
    assert world.taken(6) == {1, 2, 3}
    assert world.fleet.standing("m") is Standing.FREE


@pytest.mark.parametrize("failure", DEATHS)
def test_a_dead_replica_is_passed_over(world: World, failure: Failure) -> None:
    for _ in range(DEATHS_IN_A_ROW):
        world.health.failed(world.replicas[0], failure)
    assert world.taken(4) == {2, 3}


def test_one_request_tries_it_and_brings_it_back(world: World) -> None:
    world.kill(1)
    world.now += COOL_S
    trial = next(
        each for _ in range(3) if (each := world.take()) and each.replica.id == 1
    )
    assert world.taken(4) == {2, 3}
    assert world.well == []
    trial.answered()
    assert world.well == ["m"]
    trial.free()
    assert world.taken(6) == {1, 2, 3}


@pytest.mark.parametrize("failure", [Failure.OVERLOADED, Failure.FAULT])
def test_nothing_else_is_a_death(world: World, failure: Failure) -> None:
    for each in world.replicas:
        for _ in range(10):
            world.health.failed(each, failure)
    assert {world.health.state(each.id) for each in world.replicas} == {State.CLOSED}
    world.now += BUSY_S
    assert world.taken(6) == {1, 2, 3}


def test_overloaded_replicas_are_waited_for(world: World) -> None:
    for each in world.replicas:
        world.health.failed(each, Failure.OVERLOADED, retry_after_s=2)
    # They live: nobody is sent to them, and nobody is refused for it.
    assert world.take() is None
    assert world.fleet.standing("m") is not Standing.DOWN
    world.now += 2
    assert world.taken(6) == {1, 2, 3}


def test_a_replica_that_misses_two_probes_is_not_well(world: World) -> None:
    one = world.replicas[:1]
    for _ in range(PROBES_MISSED_MAX):
        assert world.taken(6) == {1, 2, 3}
        world.health.probed(one, is_well=False)
    assert world.taken(4) == {2, 3}
    world.health.probed(one, is_well=True)
    assert world.well == ["m"]
    assert world.taken(6) == {1, 2, 3}


def test_an_answer_outweighs_missed_probes(world: World) -> None:
    (one,) = world.replicas[:1]
    world.health.probed([one], is_well=False)
    world.health.answered(one)
    world.health.probed([one], is_well=False)
    assert world.taken(6) == {1, 2, 3}
    world.health.probed([one], is_well=False)
    assert world.taken(4) == {2, 3}
    world.health.answered(one)
    assert world.taken(6) == {1, 2, 3}


def test_a_probe_lets_one_request_try_an_open_one_at_once(world: World) -> None:
    world.kill(1)
    world.now += COOL_S / 4
    assert world.taken(6) == {2, 3}
    world.health.probed(world.replicas[:1], is_well=True)
    assert world.well == ["m"]
    places = [world.take() for _ in range(5)]
    assert sorted(each.replica.id for each in places if each) == [1, 2, 2, 3, 3]


def test_with_none_well_the_first_that_failed_is_tried(world: World) -> None:
    for number in (2, 3, 1):
        world.kill(number)
        world.now += 0.01
    assert world.fleet.standing("m") is Standing.DOWN
    tried = [world.take() for _ in range(4)]
    assert [each and each.replica.id for each in tried] == [2, 3, 1, None]
    # A vain try is as good as any failure.
    for each in tried:
        if each is not None:
            each.failed(Failure.UNREACHABLE)
            each.free()
    assert world.take() is None
    world.now += LAST_RESORT_S
    again = world.take()
    assert again is not None
    again.answered()
    assert world.health.state(again.replica.id) is State.CLOSED
    again.free()
    assert world.taken(6) == {again.replica.id}


def test_the_last_resort_is_none_that_has_failed_the_request(world: World) -> None:
    world.kill(1, 2, 3)
    place = world.take(without={1, 2})
    assert place is not None
    assert place.replica.id == 3
    assert world.take(without={1, 2, 3}) is None


def test_one_that_is_full_is_no_reason_for_the_last_resort(world: World) -> None:
    world.kill(2, 3)
    held = [world.take(), world.take()]
    assert [each and each.replica.id for each in held] == [1, 1]
    assert world.take() is None
    assert world.fleet.standing("m") is Standing.FULL


def test_what_others_run_is_load_for_a_while(world: World) -> None:
    one, two, three = world.replicas
    world.health.gauged([one, two], 7)
    assert [world.health.foreign(each) for each in (one, two, three)] == [7, 7, 0]
    world.health.probed([two], is_well=False)
    assert world.health.foreign(two) == 0
    world.now += FOREIGN_S
    assert world.health.foreign(one) == 0


def test_what_is_gone_or_well_for_long_is_forgotten(world: World) -> None:
    world.kill(1, 2)
    world.health.gauged(world.replicas, 1)
    world.health.failed(world.replicas[2], Failure.LOST)
    world.health.keep_only({2, 3})
    assert set(world.health._breakers) == {2, 3}
    assert set(world.health._foreign) == {2, 3}
    world.now += STEADY_S + 1
    world.health.probed(world.replicas, is_well=True)
    assert set(world.health._breakers) == {2}


def test_a_draining_replica_gets_nothing_new_and_ends_in_peace(world: World) -> None:
    held = world.take()
    assert held is not None
    number = held.replica.id
    world.publish(number, state="draining")
    assert world.taken(4) == {1, 2, 3} - {number}
    assert world.fleet.running(number) == 1
    held.answered()
    held.told(prompt_tokens=3, cached_tokens=1)
    held.free()
    assert world.fleet.running(number) == 0


def test_a_replica_may_be_removed_while_it_answers(world: World) -> None:
    held = world.take()
    assert held is not None
    world.snapshot.apply("replica", str(held.replica.id), None)
    world.health.keep_only(world.snapshot.replicas.keys())
    held.failed(Failure.LOST)
    held.answered()
    held.told(prompt_tokens=3, cached_tokens=1)
    held.free()
    held.free()
    assert world.fleet.running(held.replica.id) == 0


def test_a_model_may_be_removed_while_it_is_served(world: World) -> None:
    held = world.take()
    assert held is not None
    world.snapshot.apply("model", "m", None)
    held.told(prompt_tokens=3, cached_tokens=1)
    held.free()
    assert world.fleet.running(held.replica.id) == 0


def test_alone_one_that_breaks_its_answers_off_is_sent_all() -> None:
    """That may be what it is asked; and a part of an answer is more than none."""
    health = ReplicaHealth(now=lambda: 0.0, chance=lambda: 1.0)
    one = ReplicaEntry(1, "m", "r", "u", "vllm", "", "", active=True)
    for _ in range(DEATHS_IN_WINDOW):
        health.answered(one)
        health.failed(one, Failure.BROKE_OFF)
    assert not health.may_take(one)
    assert [health.last_resort([one], among=[one]) for _ in range(9)] == [one] * 9
    # What cannot be reached is another matter, and so is what probes miss.
    health.failed(one, Failure.UNREACHABLE)
    assert [health.last_resort([one], among=[one]) for _ in range(2)].count(one) <= 1
