"""What ends a request from outside, whatever it waits for at that moment.

A client that leaves, a gateway that drains, a key that is revoked: each says so once,
and the first is heard, unless a later one is to end the request at once. What reads
from an engine is woken by its exchange; any other wait goes through `wait_for`.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from inference.engines.exchange import Interrupt
from inference.gateway.connection import ClientGoneError

T = TypeVar("T")


class Interruption:
    """The one interruption that a request may get."""

    __slots__ = ("_at_once", "_error", "_listener", "_waiting")

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._at_once = False
        self._listener: Interrupt | None = None
        self._waiting: asyncio.Task[object] | None = None

    def interrupt(self, error: BaseException, *, at_once: bool = False) -> None:
        """Make the request raise this as soon as it runs; see `Interrupt`."""
        if self._error is not None and (self._at_once or not at_once):
            return
        self._error, self._at_once = error, at_once
        if self._listener is not None:
            self._listener(error, at_once=at_once)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()

    def client_left(self) -> None:
        """Interrupt the request because its client has gone."""
        self.interrupt(ClientGoneError())

    @property
    def is_set(self) -> bool:
        """Tell whether it has come."""
        return self._error is not None

    def check(self) -> None:
        """Raise what the request was interrupted by, if it was."""
        if self._error is not None:
            raise self._error

    def pass_on_to(self, listener: Interrupt) -> None:
        """Tell this one from now on, at once if it has happened already."""
        self._listener = listener
        if self._error is not None:
            listener(self._error, at_once=self._at_once)

    async def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work returns; when interrupted, cancel it and raise."""
        if self._error is not None:
            work.close()
            raise self._error
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("requests are served by tasks")
        others = task.cancelling()
        self._waiting = task
        try:
            return await work
        except BaseException:
            # Who cancels the task besides us is obeyed.
            if self._error is None or task.uncancel() > others:
                raise
            raise self._error from None
        finally:
            self._waiting = None
