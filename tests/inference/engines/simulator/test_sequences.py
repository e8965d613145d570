"""Places for sequences: never too many at once, in the order they came, none lost."""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from inference.engines.simulator.counters import Counters
from inference.engines.simulator.sequences import SequenceQueue


@dataclass(eq=False)
class Request:
    """A request that notes how many of its sequences were let in."""

    wanted: int
    running: int = 0
    admitted: list["Request"] = field(default_factory=list)

    def admit(self, count: int) -> None:
        """Note `count` more."""
        self.running += count
        self.admitted.append(self)


class Model:
    """What the queue promises, said naively: one entry per waiting sequence."""

    def __init__(self, places: int) -> None:
        """Start empty."""
        self.places = places
        self.waiting: deque[Request] = deque()
        self.running: dict[int, int] = {}

    def fill(self) -> None:
        """Let in whoever fits, one sequence at a time, in order."""
        while self.waiting and (
            not self.places or sum(self.running.values()) < self.places
        ):
            key = id(self.waiting.popleft())
            self.running[key] = self.running.get(key, 0) + 1


@given(st.data(), st.integers(0, 5))
def test_the_queue_does_what_a_naive_one_does(data: st.DataObject, places: int) -> None:
    counters = Counters(started_at=0.0)
    queue, model = SequenceQueue(counters, places=places), Model(places)
    requests: list[Request] = []
    for _ in range(data.draw(st.integers(1, 40))):
        action = data.draw(st.sampled_from(["enter", "enter", "end", "leave", "size"]))
        if action == "enter":
            request = Request(data.draw(st.integers(1, 7)))
            would_wait = queue.would_wait(request.wanted)
            request.running += queue.enter(request, request.wanted)
            assert would_wait == request.wanted - request.running
            requests.append(request)
            model.waiting.extend([request] * request.wanted)
        elif action == "size":
            model.places = data.draw(st.integers(0, 5))
            queue.resize(model.places)
        elif requests:
            request = data.draw(st.sampled_from(requests))
            if action == "end" and request.running:
                model.running[id(request)] -= 1
                request.running -= 1
                queue.release(1)
            elif action == "leave":
                requests.remove(request)
                model.running.pop(id(request), None)
                model.waiting = deque(
                    each for each in model.waiting if each is not request
                )
                queue.leave(request, request.running)
        model.fill()
        for request in requests:
            assert request.running == model.running.get(id(request), 0)
        assert counters.running_sequences == sum(model.running.values())
        assert counters.waiting_sequences == len(model.waiting)


def test_a_place_goes_to_who_came_first() -> None:
    queue = SequenceQueue(Counters(started_at=0.0), places=2)
    order: list[Request] = []
    first, second, third = (Request(count, admitted=order) for count in (2, 2, 1))
    assert [queue.enter(each, each.wanted) for each in (first, second, third)] == [
        2,
        0,
        0,
    ]
    queue.release(1)
    queue.release(1)
    queue.release(1)
    assert order == [second, second, third]


def test_who_leaves_does_not_take_its_own_place() -> None:
    queue = SequenceQueue(Counters(started_at=0.0), places=1)
    leaving, next_in_line = Request(3), Request(1)
    queue.enter(leaving, 3)
    queue.enter(next_in_line, 1)
    queue.leave(leaving, 1)
    assert (leaving.running, next_in_line.running) == (0, 1)
