"""Slots that processes lease: never too many, soon where needed, and fairly."""

import asyncio
import random
from collections import Counter

import pytest

from inference.routing.serving import Priority
from inference.scheduling import leases
from inference.scheduling.accounts import cost
from inference.scheduling.leases import LeasedShares
from inference.scheduling.scheduler import RunningTurn
from tests.inference.limiting.store import Store
from tests.inference.scheduling.asks import ask
from tests.inference.scheduling.conftest import Join
from tests.inference.scheduling.world import World, turns_of_the_loop


async def tick(*worlds: World) -> None:
    for world in worlds:
        assert isinstance(world.shares, LeasedShares)
        await world.shares.tick(world.scheduler, world.fleet)
        await turns_of_the_loop()


def start(
    world: World, tenant_id: int = 1, **asked: object
) -> "asyncio.Task[RunningTurn]":
    async def run() -> RunningTurn:
        wanted = ask(tenant_id, **asked)  # type: ignore[arg-type]
        at_once = world.scheduler.try_turn(wanted)
        return at_once or await world.scheduler.turn(wanted)

    return asyncio.create_task(run())


async def fill(
    world: World, tenant_id: int, times: int, **asked: object
) -> list["asyncio.Task[RunningTurn]"]:
    found = [start(world, tenant_id, **asked) for _ in range(times)]
    await turns_of_the_loop()
    return found


def end(turn: RunningTurn, output_tokens: int = 100) -> None:
    turn.end(input_tokens=100, output_tokens=output_tokens)


async def give_up(*tasks: "asyncio.Task[RunningTurn]") -> None:
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_process_has_all_slots(join: Join) -> None:
    world = await join(5, 3)
    tasks = await fill(world, 1, 9)
    assert world.running == 0
    await tick(world)
    assert world.running == 8
    assert sum(each.done() for each in tasks) == 8
    await give_up(*tasks)


async def test_what_runs_elsewhere_is_not_free_here(join: Join) -> None:
    one, two = await join(8), await join(8)
    first = await fill(one, 1, 6)
    await tick(one)
    second = await fill(two, 2, 6)
    # It hears that its spare ones are wanted, and lets go of them.
    await tick(two, one, one, two)
    assert (one.running, two.running) == (6, 2)
    end(first[0].result())
    await tick(one, two)
    assert (one.running, two.running) == (5, 3)
    await give_up(*first, *second)


async def test_slots_that_nobody_uses_serve_the_others(join: Join) -> None:
    one, two = await join(8), await join(8)
    turns = await fill(one, 1, 8)
    await tick(one)
    for each in turns:
        end(each.result())
    # It keeps them, and finds out that they are wanted.
    waiting = await fill(two, 2, 8)
    await tick(two, one, one, two)
    assert two.running == 8
    await give_up(*waiting)


async def test_who_has_places_begins_at_once(join: Join) -> None:
    one, two = await join(8), await join(8)
    turns = await fill(one, 1, 3)
    await tick(one, two, one)
    assert one.scheduler.try_turn(ask()) is not None
    await give_up(*turns)


async def test_a_flood_at_one_process_starves_nobody_at_another(join: Join) -> None:
    one, two = await join(4), await join(4)
    flood = await fill(one, 1, 50)
    await tick(one)
    quiet = start(two, 2)
    await turns_of_the_loop()
    await tick(two, one)
    done = [each for each in flood if each.done()]
    assert (len(done), quiet.done()) == (4, False)
    # The next slot that is free is for who has had least, not for who is at hand.
    end(done[0].result())
    await turns_of_the_loop()
    assert one.running == 3
    await tick(one, two)
    assert quiet.done()
    end(quiet.result())
    await tick(two, one)
    assert one.running == 4
    await give_up(*flood)


async def test_a_better_class_is_served_first_wherever_it_waits(join: Join) -> None:
    one, two = await join(2), await join(2)
    plain = await fill(one, 1, 10)
    await tick(one)
    urgent = await fill(two, 2, 3, priority=Priority.PRIORITY)
    await tick(two, one)
    for _ in range(3):
        ran = [each for each in (*plain, *urgent) if each.done()]
        for each in ran:
            end(each.result())
        plain = [each for each in plain if each not in ran]
        urgent = [each for each in urgent if each not in ran]
        await tick(one, two, one)
    assert not urgent
    await give_up(*plain)


@pytest.mark.parametrize("weights", [(100, 100, 100), (100, 200, 300)])
async def test_tenants_at_different_processes_get_their_shares(
    join: Join, weights: tuple[int, ...]
) -> None:
    """Of tokens, not of slots: one answers at length, one in few words."""
    worlds = [await join(12, processes=3) for _ in weights]
    lengths = (300, 100, 20)
    waiting: list[dict[asyncio.Task[RunningTurn], int]] = []
    for tenant_id, (world, weight) in enumerate(zip(worlds, weights, strict=True)):
        tasks = await fill(world, tenant_id, 900, weight=weight, output_tokens=1_000)
        waiting.append(dict.fromkeys(tasks, 0))
    had: Counter[int] = Counter()
    at_start: Counter[int] = Counter()
    for step in range(250):
        for tenant_id, mine in enumerate(waiting):
            for task in [each for each in mine if each.done()]:
                # Each token takes a step: long answers hold their slot for longer.
                mine[task] += 20
                if mine[task] >= lengths[tenant_id]:
                    end(task.result(), lengths[tenant_id])
                    had[tenant_id] += int(cost(100, lengths[tenant_id]))
                    del mine[task]
        await turns_of_the_loop(2)
        assert sum(world.running for world in worlds) <= 12
        await tick(*worlds)
        if step == 60:
            at_start = had.copy()
    shares = [
        (had[each] - at_start[each]) / weight for each, weight in enumerate(weights)
    ]
    jain = sum(shares) ** 2 / (len(shares) * sum(each**2 for each in shares))
    assert all(waiting), "one of them ran dry"
    assert jain >= 0.98, shares
    for mine in waiting:
        await give_up(*mine)


async def test_never_more_than_there_are_whatever_happens(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests come, leave and end; ticks are late, and answers are lost."""
    monkeypatch.setattr(leases, "IDLE_S", 0.05)
    # However busy the machine is, nobody is taken for dead.
    monkeypatch.setattr(leases, "TTL_S", 600)
    dice = random.Random(5)
    worlds = [await join(5, 3, processes=3) for _ in range(3)]
    tasks: list[asyncio.Task[RunningTurn]] = []
    most = 0
    for _ in range(1_500):
        world = dice.choice(worlds)
        match dice.choice(("start", "start", "end", "end", "leave", "tick", "lost")):
            case "start":
                tasks.append(start(world, dice.randrange(4)))
            case "end":
                if done := [each for each in tasks if each.done()]:
                    task = dice.choice(done)
                    tasks.remove(task)
                    end(task.result())
            case "leave":
                if open_ := [each for each in tasks if not each.done()]:
                    task = dice.choice(open_)
                    await turns_of_the_loop(dice.randrange(3))
                    if not task.done():
                        tasks.remove(task)
                        await give_up(task)
            case "tick":
                await tick(world)
            case _:
                # What it said arrives, and it hears no answer: at worst it has less.
                ticking = asyncio.create_task(tick(world))
                await turns_of_the_loop(3)
                ticking.cancel()
                await asyncio.gather(ticking, return_exceptions=True)
        await turns_of_the_loop(2)
        for number, slots in ((1, 5), (2, 3)):
            runs = sum(each.fleet.running(number) for each in worlds)
            assert runs <= slots
            most = max(most, runs)
    assert most == 5
    await give_up(*tasks)


async def test_a_process_that_dies_leaves_its_slots_to_the_others(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "TTL_S", 0.3)
    one, two = await join(4), await join(4)
    await fill(one, 1, 4)
    await tick(one)
    waiting = await fill(two, 2, 4)
    await tick(two)
    assert two.running == 0
    async with asyncio.timeout(10):
        while two.running < 4:
            await asyncio.sleep(0.05)
            await tick(two)
    await give_up(*waiting)


async def test_a_process_that_stops_leaves_at_once(join: Join) -> None:
    one, two = await join(4), await join(4)
    turns = await fill(one, 1, 4)
    assert isinstance(one.shares, LeasedShares)
    running = asyncio.create_task(one.shares.run(one.scheduler, one.fleet))
    async with asyncio.timeout(10):
        done = await asyncio.gather(*turns)
    for each in done:
        end(each)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await give_up(*await fill(two, 2, 0))
    waiting = await fill(two, 2, 4)
    await tick(two)
    assert two.running == 4
    await give_up(*waiting)


async def test_a_tick_that_fails_is_not_the_last(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await join(4)
    assert isinstance(world.shares, LeasedShares)
    dispatch, failed = world.scheduler.dispatch, asyncio.Event()

    def fail_once(name: str) -> None:
        if failed.is_set():
            return dispatch(name)
        failed.set()
        raise RuntimeError("a bug")

    turns = await fill(world, 1, 4)
    monkeypatch.setattr(world.scheduler, "dispatch", fail_once)
    running = asyncio.create_task(world.shares.run(world.scheduler, world.fleet))
    async with asyncio.timeout(10):
        done = await asyncio.gather(*turns)
    assert failed.is_set()
    assert not running.done()
    for each in done:
        end(each)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_without_its_store_each_process_has_its_part(
    join: Join, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "HOLDS_S", 0.2)
    world = await join(8, processes=2, deadline_s=0.1)
    store.freeze()
    try:
        waiting = await fill(world, 1, 9)
        async with asyncio.timeout(10):
            while world.running < 4:
                await tick(world)
        await tick(world)
        assert world.running == 4
    finally:
        store.thaw()
    async with asyncio.timeout(10):
        while world.running < 8:
            await asyncio.sleep(0.05)
            await tick(world)
    await give_up(*waiting)


async def test_what_is_held_is_used_for_a_while_without_the_store(
    join: Join, store: Store
) -> None:
    world = await join(8, processes=8, deadline_s=0.1)
    turns = await fill(world, 1, 1)
    await tick(world)
    store.freeze()
    try:
        await tick(world)
        more = await fill(world, 1, 7)
        assert world.running == 8
    finally:
        store.thaw()
    await give_up(*turns, *more)


async def test_a_store_that_was_flushed_learns_anew(join: Join, store: Store) -> None:
    one, two = await join(4), await join(4)
    turns = [*await fill(one, 1, 2), *await fill(two, 2, 1)]
    await tick(one, two)
    store.flush()
    store.admin.script_flush()
    await tick(one, two)
    more = [*await fill(one, 1, 4), *await fill(two, 2, 4)]
    await tick(one, two, one, two)
    assert one.running + two.running == 4
    await give_up(*turns, *more)


async def test_slots_are_asked_for_where_replicas_are_well(join: Join) -> None:
    one, two = await join(2, 2), await join(2, 2)
    one.health.down.add(1)
    here, there = await fill(one, 1, 4), await fill(two, 2, 4)
    await tick(one, two, one, two)
    assert one.fleet.running(1) == 0
    assert two.fleet.running(1) == 2
    assert one.running + two.running == 4
    await give_up(*here, *there)
