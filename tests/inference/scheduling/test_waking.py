"""Waiting for a model that is down: by requests that found out themselves."""

import asyncio

import pytest

from inference.routing.fleet import Failure
from inference.routing.serving import Serving
from inference.scheduling import scheduler as scheduling
from inference.scheduling.metrics import Moved
from inference.scheduling.scheduler import RunningTurn
from tests.inference.scheduling.asks import ask
from tests.inference.scheduling.world import World, turns_of_the_loop


@pytest.fixture(autouse=True)
def sweeps_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "SWEEP_S", 0.005)


def at_once(world: World) -> RunningTurn:
    turn = world.scheduler.try_turn(ask(serving=Serving(wake_ms=60_000)))
    assert turn is not None
    return turn


def end(turn: RunningTurn) -> None:
    turn.end(input_tokens=100, output_tokens=100)


async def test_what_no_replica_could_be_reached_for_waits_until_one_comes_up() -> None:
    world = World((1, 1))
    turn = at_once(world)
    world.health.down |= {1, 2}
    moving = asyncio.create_task(turn.move(Failure.UNREACHABLE))
    await asyncio.sleep(0.03)
    assert not moving.done()
    assert world.scheduler.pools["m"].waiting == 1
    world.now_s += 50
    world.health.down.clear()
    assert await asyncio.wait_for(moving, 5)
    # A vain try is no new wait: it ends when the first one would have.
    world.health.down |= {1, 2}
    moving = asyncio.create_task(turn.move(Failure.UNREACHABLE))
    await asyncio.sleep(0.03)
    assert not moving.done()
    world.now_s += 11
    assert not await asyncio.wait_for(moving, 5)
    end(turn)
    pool = world.scheduler.pools["m"]
    assert (world.running, pool.waiting) == (0, 0)
    # And none that says how long lines are, or that a replica failed.
    assert not pool.metrics.wait.sum
    assert pool.metrics.moves == {Moved.NOWHERE: 1}


async def test_one_that_waits_to_move_waits_on_when_the_others_go_too() -> None:
    world = World((1, 1))
    turn = at_once(world)
    other = at_once(world)
    moving = asyncio.create_task(turn.move(Failure.UNREACHABLE))
    await turns_of_the_loop()
    world.health.down |= {1, 2}
    await asyncio.sleep(0.03)
    assert not moving.done()
    world.health.down.clear()
    assert await asyncio.wait_for(moving, 5)
    end(turn)
    end(other)


@pytest.mark.parametrize("failure", [Failure.LOST, Failure.OVERLOADED, Failure.FAULT])
async def test_what_a_replica_has_had_wakes_none(failure: Failure) -> None:
    world = World((1, 1))
    turn = at_once(world)
    assert await turn.move(failure)
    world.health.down |= {1, 2}
    assert not await asyncio.wait_for(turn.move(Failure.UNREACHABLE), 5)
    end(turn)
