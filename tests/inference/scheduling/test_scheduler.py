"""Turns: at once, in line, too late, given up, moved; and no place is ever lost."""

import asyncio
import random
from collections import Counter

import pytest

from inference.routing.fleet import Failure
from inference.routing.serving import Priority, Serving
from inference.scheduling import scheduler as scheduling
from inference.scheduling.metrics import Moved, Unserved
from inference.scheduling.scheduler import RunningTurn
from kit.errors import EngineOverloaded, PlatformError, RateLimited
from tests.inference.scheduling.asks import ask
from tests.inference.scheduling.world import World, turns_of_the_loop

Waiting = asyncio.Task[RunningTurn]


@pytest.fixture(autouse=True)
def sweeps_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "SWEEP_S", 0.005)


def at_once(world: World, tenant_id: int = 1) -> RunningTurn:
    turn = world.scheduler.try_turn(ask(tenant_id))
    assert turn is not None
    return turn


async def in_line(world: World, tenant_id: int = 1, **asked: object) -> Waiting:
    wanted = ask(tenant_id, **asked)  # type: ignore[arg-type]
    task = asyncio.create_task(world.scheduler.turn(wanted))
    await turns_of_the_loop()
    return task


def end(turn: RunningTurn) -> None:
    turn.end(input_tokens=100, output_tokens=100)


async def refused(task: Waiting) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await asyncio.wait_for(task, 5)
    return caught.value


async def test_nobody_waits_while_a_place_is_free() -> None:
    world = World((2, 1))
    turns = [at_once(world) for _ in range(3)]
    assert world.scheduler.try_turn(ask()) is None
    assert world.running == 3
    for turn in turns:
        turn.free()
        end(turn)
        end(turn)
    assert world.running == 0


async def test_a_place_that_is_free_goes_to_who_waits_first() -> None:
    world = World()
    turn = at_once(world)
    first, second = await in_line(world), await in_line(world)
    end(turn)
    assert world.scheduler.try_turn(ask(2)) is None
    got = await first
    assert not second.done()
    end(got)
    end(await second)
    assert world.running == 0


async def test_who_gives_up_in_line_leaves_no_trace() -> None:
    world = World()
    turn = at_once(world)
    first, second = await in_line(world), await in_line(world)
    first.cancel()
    await turns_of_the_loop()
    end(turn)
    end(await second)
    assert (world.running, world.scheduler.pools["m"].waiting) == (0, 0)


async def test_a_place_that_comes_to_who_has_just_left_goes_to_the_next() -> None:
    world = World()
    turn = at_once(world)
    first, second = await in_line(world), await in_line(world)
    end(turn)
    # It has the place by now, and has not run since.
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    end(await second)
    assert world.running == 0


async def test_a_flood_leaves_the_others_their_share() -> None:
    world = World()
    turn = at_once(world)
    flood = [await in_line(world, 1) for _ in range(20)]
    others = [await in_line(world, 2) for _ in range(5)]
    end(turn)
    await turns_of_the_loop()
    for _ in range(10):
        [done] = [each for each in (*flood, *others) if each.done()]
        end(done.result())
        (flood if done in flood else others).remove(done)
        await turns_of_the_loop()
    assert len(others) <= 1
    for each in (*flood, *others):
        each.cancel()


async def test_a_deadline_is_kept_and_says_when_to_come_again() -> None:
    world = World()
    turn = at_once(world)
    late = await in_line(world, serving=Serving(queue_ms=3_000))
    world.now_s += 2.9
    await asyncio.sleep(0.05)
    assert not late.done()
    world.now_s += 0.2
    error = await refused(late)
    assert isinstance(error, EngineOverloaded)
    assert 1 <= int(error.headers["retry-after"]) <= 60
    counted = world.scheduler.pools["m"].metrics.unserved
    assert counted == Counter({Unserved.DEADLINE: 1})
    end(turn)
    assert world.running == 0


async def test_when_to_come_again_follows_how_fast_turns_come() -> None:
    world = World()
    turn = at_once(world)
    waiting = [await in_line(world) for _ in range(40)]
    for _ in range(20):
        world.now_s += 0.5
        end(turn)
        turn = await waiting.pop(0)
    short = Serving(queue_max=20)
    error = await refused(await in_line(world, serving=short))
    # Two turns a second, and twenty that wait.
    assert 8 <= int(error.headers["retry-after"]) <= 14
    for each in waiting:
        each.cancel()


async def test_a_full_line_makes_room_for_who_has_less_in_it() -> None:
    world = World()
    at_once(world)
    short = Serving(queue_max=4)
    flood = [await in_line(world, 1, serving=short) for _ in range(4)]
    error = await refused(await in_line(world, 1, serving=short))
    assert isinstance(error, RateLimited)
    assert error.code == "rate_limit_exceeded"
    quiet = [await in_line(world, 2, serving=short) for _ in range(2)]
    assert [each.done() for each in flood] == [False, False, True, True]
    assert isinstance(await refused(flood[3]), RateLimited)
    assert not any(each.done() for each in quiet)
    # Each has two: a newcomer takes one of theirs, and who has as much takes none.
    assert isinstance(
        await refused(await in_line(world, 2, serving=short)), RateLimited
    )
    best = await in_line(world, 2, serving=short, priority=Priority.PRIORITY)
    assert not best.done()
    assert sum(each.done() for each in (*flood[:2], *quiet)) == 1
    for each in (*flood, *quiet, best):
        each.cancel()


async def test_a_full_line_of_equals_is_the_model_s_fault() -> None:
    world = World()
    at_once(world)
    short = Serving(queue_max=3)
    waiting = [await in_line(world, tenant, serving=short) for tenant in (1, 2, 3)]
    error = await refused(await in_line(world, 4, serving=short))
    assert isinstance(error, EngineOverloaded)
    for each in waiting:
        each.cancel()


async def test_a_model_that_lets_nobody_wait_takes_no_place_of_its_base_s() -> None:
    world = World()
    world.serve("adapted", base="m")
    turn = at_once(world)
    waiting = [await in_line(world, tenant_id=2) for _ in range(3)]
    none = Serving(queue_max=0)
    late = await in_line(world, model="adapted", pool="m", serving=none)
    assert isinstance(await refused(late), EngineOverloaded)
    assert not any(each.done() for each in waiting)
    for each in waiting:
        each.cancel()
    end(turn)


async def test_nobody_waits_for_replicas_that_are_down() -> None:
    world = World((1, 1))
    world.health.down |= {1, 2}
    error = await refused(await in_line(world))
    assert isinstance(error, EngineOverloaded)
    assert "in service" in error.message


async def test_a_model_that_may_be_woken_is_waited_for() -> None:
    world = World(())
    waking = Serving(wake_ms=60_000)
    waiting = [await in_line(world, serving=waking) for _ in range(2)]
    world.now_s += 50
    world.replica(1, slots=1)
    first = await asyncio.wait_for(waiting[0], 5)
    end(first)
    end(await waiting[1])


async def test_a_model_that_does_not_wake_is_not_waited_for_for_ever() -> None:
    world = World(())
    late = await in_line(world, serving=Serving(wake_ms=60_000))
    world.now_s += 61
    assert "in service" in (await refused(late)).message


async def test_an_adapter_that_is_gone_holds_up_nobody_though_it_may_be_woken() -> None:
    world = World((1,))
    world.serve("m:a", base="m", adapter="a")
    running = at_once(world)
    waking = Serving(wake_ms=60_000)
    gone = await in_line(world, model="m:a", pool="m", serving=waking)
    after = await in_line(world, serving=waking)
    world.snapshot.apply("model", "m:a", None)
    end(running)
    assert "in service" in (await refused(gone)).message
    end(await asyncio.wait_for(after, 5))


async def test_a_turn_moves_to_another_replica_and_is_not_charged_again() -> None:
    world = World((1, 1))
    turn = at_once(world)
    failed = turn.replica.id
    claim = world.scheduler.pools["m"].queue
    before = list(claim.levels())
    assert await turn.move(Failure.UNREACHABLE)
    assert turn.replica.id != failed
    assert list(claim.levels()) == before
    assert world.running == 1
    assert not await turn.move(Failure.UNREACHABLE)
    assert world.running == 0
    end(turn)
    moves = world.scheduler.pools["m"].metrics.moves
    assert moves == Counter({Moved.MOVED: 1, Moved.NOWHERE: 1})


async def test_a_turn_that_moves_is_before_all_who_wait() -> None:
    world = World((1, 1))
    turn, other = at_once(world), at_once(world)
    waiting = [await in_line(world) for _ in range(3)]
    world.health.down.add(turn.replica.id)
    moving = asyncio.create_task(turn.move(Failure.LOST))
    await turns_of_the_loop()
    end(other)
    assert await asyncio.wait_for(moving, 5)
    assert not any(each.done() for each in waiting)
    assert turn.replica.id == other.replica.id
    for each in waiting:
        each.cancel()


async def test_a_turn_that_waits_to_move_hears_when_no_other_is_left() -> None:
    world = World((1, 1))
    turn, other = at_once(world), at_once(world)
    moving = asyncio.create_task(turn.move(Failure.LOST))
    await turns_of_the_loop()
    assert not moving.done()
    world.health.down.add(other.replica.id)
    assert not await asyncio.wait_for(moving, 5)
    end(turn)
    end(other)
    assert world.running == 0


async def test_one_that_is_cancelled_while_it_moves_leaves_nothing() -> None:
    world = World((1, 1))
    turn, other = at_once(world), at_once(world)
    moving = asyncio.create_task(turn.move(Failure.LOST))
    await turns_of_the_loop()
    end(other)
    moving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await moving
    end(turn)
    assert world.running == 0
    assert world.scheduler.try_turn(ask()) is not None


async def test_a_storm_loses_and_doubles_no_place() -> None:
    """Hundreds come, leave, move and end in any order; in the end all is free."""
    dice = random.Random(8)
    world = World((3, 2, 4))
    ended = Counter[str]()

    async def one(tenant_id: int) -> None:
        wanted = ask(tenant_id, priority=dice.choice(list(Priority)))
        turn = world.scheduler.try_turn(wanted) or await world.scheduler.turn(wanted)
        try:
            assert world.running <= 9
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
            if dice.random() < 0.2:
                ended["moved"] += await turn.move(Failure.OVERLOADED)
                await asyncio.sleep(0)
            ended["done"] += 1
        finally:
            end(turn)

    tasks = [asyncio.create_task(one(dice.randrange(5))) for _ in range(400)]
    while any(not each.done() for each in tasks):
        if dice.random() < 0.3:
            dice.choice(tasks).cancel()
        await asyncio.sleep(0)
    found = await asyncio.gather(*tasks, return_exceptions=True)
    odd = [each for each in found if isinstance(each, Exception)]
    assert odd == []
    assert min(ended.values()) > 10
    assert (world.running, world.scheduler.pools["m"].waiting) == (0, 0)
    assert [world.fleet.running(each) for each in (1, 2, 3)] == [0, 0, 0]
