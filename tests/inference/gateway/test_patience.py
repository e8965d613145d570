"""Deadlines that are moved by an assignment, and who waits for room."""

import asyncio
from collections.abc import Callable

import pytest

from inference.gateway.patience import Deadline, Writable


class Bell:
    """Notes when it rings."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.rung = asyncio.Event()
        self.at = 0.0

    def __call__(self) -> None:
        self.at = self.loop.time()
        self.rung.set()


async def test_it_rings_once_its_time_has_come_and_not_when_it_was_set_before() -> None:
    bell = Bell()
    deadline = Deadline(bell.loop, bell)
    deadline.within(0.02)
    began = bell.loop.time()
    deadline.within(0.1)
    await asyncio.wait_for(bell.rung.wait(), 5)
    assert bell.at - began >= 0.099


async def test_it_rings_earlier_where_it_is_moved_to_the_front() -> None:
    bell = Bell()
    deadline = Deadline(bell.loop, bell)
    deadline.within(60)
    deadline.within(0.01)
    await asyncio.wait_for(bell.rung.wait(), 5)


@pytest.mark.parametrize("end", [Deadline.put_off, Deadline.close])
async def test_it_does_not_ring_once_it_is_put_off(
    end: Callable[[Deadline], None],
) -> None:
    bell, later = Bell(), Bell()
    deadline, other = Deadline(bell.loop, bell), Deadline(bell.loop, later)
    deadline.within(0.01)
    end(deadline)
    other.within(0.03)
    await asyncio.wait_for(later.rung.wait(), 5)
    assert not bell.rung.is_set()


async def test_all_who_wait_for_room_go_on_and_one_may_leave() -> None:
    writable = Writable()
    writable.clear()
    waiting = [asyncio.ensure_future(writable.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    writable.set(has_emptied=True)
    left, *others = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(left, asyncio.CancelledError)
    assert others == [None, None]
    assert writable.is_set
    assert writable.has_emptied


async def test_a_lost_connection_wakes_and_says_that_not_all_was_taken() -> None:
    writable = Writable()
    writable.clear()
    waiting = asyncio.ensure_future(writable.wait())
    await asyncio.sleep(0)
    writable.set(has_emptied=False)
    await waiting
    assert not writable.has_emptied
