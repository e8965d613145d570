"""A worker that does some steps in turn, and may die at once at a point drawn by lot.

It dies before or after its nth statement or commit, whatever thread sends it; before or
after its nth call to Stripe, or a moment into it; or after a while. Failure: none that
anybody could handle; that is the point. Owns: the processes.
"""

import logging
import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import django

django.setup()

import stripe  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402

from tests.collecting.place import Place, standing_in  # noqa: E402
from tests.collecting.work import STEPS  # noqa: E402

STATEMENTS_MAX = 1500
CALLS_MAX = 60
SECONDS_MAX = 1.0
IN_CALL_S_MAX = 0.02


@dataclass(frozen=True, slots=True)
class Death:
    """When a worker dies; the default never comes."""

    at_statement: int = 0
    at_call: int = 0
    is_before: bool = False
    # After a while, or so long into the call.
    after_s: float = 0.0

    @classmethod
    def drawn(cls, dice: random.Random) -> "Death":
        """Draw one by lot: as many short lives as long ones."""
        kind = dice.random()
        is_before = dice.random() < 0.5
        if kind < 0.4:
            statement = round(STATEMENTS_MAX ** dice.random())
            return cls(at_statement=statement, is_before=is_before)
        if kind < 0.6:
            return cls(at_call=round(CALLS_MAX ** dice.random()), is_before=is_before)
        if kind < 0.8:
            call = round(CALLS_MAX ** dice.random())
            return cls(at_call=call, after_s=dice.uniform(0, IN_CALL_S_MAX))
        return cls(after_s=dice.uniform(0, SECONDS_MAX))


@dataclass(slots=True)
class Life:
    """A worker on its way, and what it says it is doing."""

    process: BaseProcess
    told: "Connection[tuple[str, int | None]]"
    counts: dict[str, int] = field(default_factory=dict)
    step: str = "start"

    def end(self) -> bool:
        """Wait for its end; tell whether it was killed."""
        try:
            while True:
                self.step, count = self.told.recv()
                if count is not None:
                    self.counts[self.step] = count
        except EOFError:
            pass
        self.process.join()
        if self.process.exitcode not in {0, -signal.SIGKILL}:
            raise AssertionError(f"a worker failed in {self.step}")
        return self.process.exitcode != 0


def begin(place: Place, names: Sequence[str], death: Death | None = None) -> Life:
    """Start a worker on steps."""
    here, there = multiprocessing.get_context("forkserver").Pipe(duplex=False)
    process = spawn(_live, place, names, death or Death(), there)
    there.close()
    return Life(process, here)


def spawn(target: Callable[..., None], *args: Any) -> BaseProcess:
    """Start a process that has Django loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=target, args=args, daemon=True)
    process.start()
    return process


def done_by(place: Place, names: Sequence[str], *, workers: int) -> dict[str, int]:
    """Let workers do steps in peace; return what they did of each together."""
    lives = [begin(place, names) for _ in range(workers)]
    total: dict[str, int] = dict.fromkeys(names, 0)
    for life in lives:
        assert not life.end(), f"a worker was killed in {life.step}"
        for name, count in life.counts.items():
            total[name] += count
    return total


def _live(
    place: Place,
    names: Sequence[str],
    death: Death,
    tell: "Connection[tuple[str, int | None]]",
) -> None:
    hush()
    with standing_in(place):
        if death.at_statement:
            _Statements(death).watch()
        if death.at_call:
            _watch_calls(death)
        elif death.after_s:
            threading.Timer(death.after_s, die).start()
        for name in names:
            tell.send((name, None))
            tell.send((name, STEPS[name](place)))


class _Statements:
    """Counts what is sent to the database by any thread, and dies when it is time."""

    def __init__(self, death: Death) -> None:
        self._death = death
        self._sent = 0

    def watch(self) -> None:
        """Count on every connection that is opened from now on."""
        connection_created.connect(self._opened, weak=False)

    def _opened(self, connection: Any, **_: object) -> None:
        if self._execute in connection.execute_wrappers:
            return
        connection.execute_wrappers.append(self._execute)
        commit = connection._commit
        connection._commit = lambda: self._passed(commit)

    def _execute(self, execute: Any, sql: Any, params: Any, many: Any, it: Any) -> Any:
        return self._passed(lambda: execute(sql, params, many, it))

    def _passed(self, act: Callable[[], Any]) -> Any:
        self._sent += 1
        is_last = self._sent == self._death.at_statement
        if is_last and self._death.is_before:
            die()
        result = act()
        if is_last:
            die()
        return result


def _watch_calls(death: Death) -> None:
    """Count what is sent to Stripe, and die at the nth call."""
    send = stripe.RequestsClient.request
    sent = 0

    def request(*args: Any, **kwargs: Any) -> Any:
        nonlocal sent
        sent += 1
        is_last = sent == death.at_call
        if is_last and death.after_s:
            threading.Timer(death.after_s, die).start()
        elif is_last and death.is_before:
            die()
        answer = send(*args, **kwargs)
        if is_last and not death.after_s:
            die()
        return answer

    stripe.RequestsClient.request = request  # type: ignore[method-assign]


def hush() -> None:
    """Keep what is broken on purpose out of the log, unless it is asked for: LOUD=1."""
    if not os.environ.get("LOUD"):
        logging.disable(logging.ERROR)


def die() -> None:
    """End this process as a machine that loses its power does."""
    os.kill(os.getpid(), signal.SIGKILL)
