"""Says whose turn it is: first come, first served."""

import asyncio
from collections import deque

from inference.routing.fleet import Failure, Fleet, Place, Standing
from inference.routing.snapshot import ReplicaEntry
from inference.scheduling.turns import Ask
from kit.errors import EngineOverloaded


class RunningTurn:
    """A request's leave to run on a replica."""

    def __init__(self, place: Place, ask: Ask, scheduler: "LineScheduler") -> None:
        self.place = place
        self._ask = ask
        self._scheduler = scheduler

    @property
    def replica(self) -> ReplicaEntry:
        """Return where it may run."""
        return self.place.replica

    async def move(self, failure: Failure, *, retry_after_s: float = 0.0) -> bool:
        """Leave a replica that failed for another one."""
        self.place.failed(failure, retry_after_s=retry_after_s)
        self._ask.tried.add(self.replica.id)
        self.place.free()
        place = self._scheduler.retake(self._ask)
        if place is None:
            return False
        self.place = place
        return True

    def told(self, *, prompt_tokens: int, cached_tokens: int) -> None:
        """Pass on what the engine said of the prompt."""
        self.place.told(prompt_tokens=prompt_tokens, cached_tokens=cached_tokens)

    def free(self) -> None:
        """Free the place: the engine has said all."""
        self.place.free()

    def end(self, *, input_tokens: int, output_tokens: int) -> None:
        """Free the place."""
        self.place.free()


class LineScheduler:
    """One line for each pool of replicas."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._lines: dict[str, deque[tuple[Ask, asyncio.Future[Place]]]] = {}
        fleet.on_free = self._dispatch

    def try_turn(self, ask: Ask) -> RunningTurn | None:
        """Return a turn where none waits and a place is free."""
        if self._lines.get(ask.pool):
            return None
        place = self._fleet.take(ask.route, ask.request_id, without=ask.tried)
        return None if place is None else RunningTurn(place, ask, self)

    async def turn(self, ask: Ask) -> RunningTurn:
        """Return a turn once it comes."""
        if self._fleet.standing(ask.route.model) in (Standing.NONE, Standing.DOWN):
            raise _overloaded(ask, "No replica of '{}' is in service.", retry_after=5)
        line = self._lines.setdefault(ask.pool, deque())
        if len(line) >= ask.serving.queue_max:
            raise _overloaded(ask, "Too many requests wait for '{}'.", retry_after=1)
        waiting: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        line.append((ask, waiting))
        try:
            async with asyncio.timeout(ask.serving.queue_ms / 1000):
                return RunningTurn(await waiting, ask, self)
        except TimeoutError:
            raise _overloaded(ask, "'{}' has too much to do.", retry_after=5) from None
        finally:
            self._leave(ask, waiting)

    def retake(self, ask: Ask) -> Place | None:
        """Return another place for a request whose replica failed."""
        place = self._fleet.take(ask.route, ask.request_id, without=ask.tried)
        if place is not None and place.replica.id in ask.tried:
            place.free()
            return None
        return place

    def _leave(self, ask: Ask, waiting: "asyncio.Future[Place]") -> None:
        line = self._lines.get(ask.pool)
        if line and (entry := (ask, waiting)) in line:
            line.remove(entry)
        elif waiting.cancelled():
            return

    def _dispatch(self, pool: str) -> None:
        line = self._lines.get(pool)
        while line:
            ask, waiting = line[0]
            if not waiting.done():
                place = self._fleet.take(ask.route, ask.request_id, without=ask.tried)
                if place is None:
                    return
                waiting.set_result(place)
            line.popleft()
        self._lines.pop(pool, None)


def _overloaded(ask: Ask, message: str, *, retry_after: int) -> EngineOverloaded:
    return EngineOverloaded(
        f"{message.format(ask.route.model)} Try again later.",
        headers={"retry-after": str(retry_after)},
    )
