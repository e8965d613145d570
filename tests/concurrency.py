"""Bring two transactions to the point where one waits for the other."""

import time
from collections.abc import Callable

from django.db import connections

from kit.orm.roles import OPERATOR, as_operator

PATIENCE_S = 30.0
_WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE datname = current_database() AND NOT granted
"""
_TURNS = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE datname = current_database() AND locktype = 'advisory' AND granted
"""


def as_another_operator(write: Callable[[], object]) -> Exception | None:
    """Run a write on this thread's own connection and return what it raised."""
    try:
        with as_operator():
            write()
    except Exception as refused:
        return refused
    finally:
        connections[OPERATOR].close()
    return None


def wait_until_turns_are_over() -> None:
    """Return once no session of this database holds a lock of the advisory kind.

    The server sees a moment later that a process was killed.
    """
    _wait_for(_TURNS, lambda held: held == 0, "a turn is held still")


def wait_until_blocked(sessions: int = 1) -> None:
    """Return once so many other sessions of this database wait for a lock."""
    _wait_for(_WAITING, lambda found: found >= sessions, f"no {sessions} sessions wait")


def _wait_for(count: str, is_so: Callable[[int], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with connections[OPERATOR].cursor() as cursor:
            # Inside a transaction, sessions that came later would not be seen.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(count)
            if is_so(cursor.fetchone()[0]):
                return
    raise AssertionError(otherwise)
