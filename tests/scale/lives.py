"""A worker that does some steps in turn, and dies at once at a point drawn by lot.

It kills itself before or after its nth statement or commit, or is killed while it waits
for an answer. Failure: none that anybody could handle; that is the point.
"""

import datetime as dt
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import django

django.setup()

from django.db import connections  # noqa: E402

from kit.orm.roles import OPERATOR, as_operator  # noqa: E402
from tests.databases import Database, pointed_at  # noqa: E402
from tests.scale.work import STEPS  # noqa: E402


@dataclass(frozen=True, slots=True)
class Death:
    """When a worker dies: at its nth statement or commit, or after a while."""

    at_statement: int = 0
    is_before: bool = False
    after_s: float = 0.0


@dataclass(slots=True)
class Life:
    """A worker on its way, and what it says it is doing."""

    process: BaseProcess
    told: "Connection[str]"

    def end(self) -> tuple[bool, str]:
        """Wait for its end; tell whether it was killed, and in which step."""
        step = "start"
        try:
            while True:
                step = self.told.recv()
        except EOFError:
            pass
        self.process.join()
        if self.process.exitcode not in {0, -signal.SIGKILL}:
            raise AssertionError(f"a worker failed in {step}")
        return self.process.exitcode != 0, step


def begin(
    database: Database, now: dt.datetime, names: Sequence[str], death: Death
) -> Life:
    """Start a worker on steps that dies so; the default death never comes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_live, args=(database, now, names, death, there))
    process.start()
    there.close()
    return Life(process, here)


def _live(
    database: Database,
    now: dt.datetime,
    names: Sequence[str],
    death: Death,
    tell: "Connection[str]",
) -> None:
    with pointed_at(database), as_operator():
        connection = connections[OPERATOR]
        if death.at_statement:
            counted = _Deadly(death)
            connection.execute_wrappers.append(counted.statement)
            commit = connection._commit  # type: ignore[attr-defined]
            connection._commit = lambda: counted.passed(commit)  # type: ignore[attr-defined]
        if death.after_s:
            threading.Timer(death.after_s, _die).start()
        for name in names:
            tell.send(name)
            STEPS[name](now)


class _Deadly:
    """Counts what is sent to the database, and ends the process when it is time."""

    def __init__(self, death: Death) -> None:
        self._death = death
        self._sent = 0

    def statement(self, execute: Any, sql: Any, params: Any, many: Any, it: Any) -> Any:
        """Count a statement, as Django asks a wrapper to."""
        return self.passed(lambda: execute(sql, params, many, it))

    def passed(self, act: Callable[[], Any]) -> Any:
        """Do one act, unless its turn has come to be the last."""
        self._sent += 1
        is_last = self._sent == self._death.at_statement
        if is_last and self._death.is_before:
            _die()
        result = act()
        if is_last:
            _die()
        return result


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
