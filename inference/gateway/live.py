"""The requests that run now, so that all of them can be ended from outside."""

from collections.abc import Callable
from uuid import UUID


class DrainedError(Exception):
    """The gateway ends the request for reasons of its own."""


class LiveRequests:
    """Interrupts by request id."""

    def __init__(self) -> None:
        self._interrupts: dict[UUID, Callable[[BaseException], None]] = {}

    def __len__(self) -> int:
        return len(self._interrupts)

    def add(self, request_id: UUID, interrupt: Callable[[BaseException], None]) -> None:
        """Note a running request and how it is interrupted."""
        self._interrupts[request_id] = interrupt

    def discard(self, request_id: UUID) -> None:
        """Forget a request that has ended."""
        self._interrupts.pop(request_id, None)

    def drain(self) -> None:
        """End every running request as drained."""
        for interrupt in list(self._interrupts.values()):
            interrupt(DrainedError())
