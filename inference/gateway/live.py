"""The requests that run now, so that they can be ended from outside.

All of them, when the process has to stop or the database is away; those of a caller,
when its key or its tenant may not go on. One that has not reached an engine yet, or is
between two, is not here: whoever asks does so again and again.
"""

from collections.abc import Callable
from uuid import UUID

from inference.engines.exchange import Interrupt
from inference.routing.snapshot import StopReason
from kit.contracts import Caller
from kit.errors import PermissionDenied
from kit.records import record

_TOLD = {
    StopReason.KEY_REVOKED: (
        "The API key has been disabled or revoked or has expired, so this answer ends"
        " here. Use a valid key."
    ),
    StopReason.TENANT_SUSPENDED: (
        "This account has been suspended, so this answer ends here. Ask the operator to"
        " restore it."
    ),
}


class EndedError(Exception):
    """The gateway ends the request, which neither client nor engine wanted."""


class DrainedError(EndedError):
    """The gateway ends the request for reasons of its own."""


class KeyRevokedError(EndedError):
    """The caller may not go on: its key is revoked or its tenant is suspended."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason.value)
        self.reason = reason

    def reply(self) -> PermissionDenied:
        """Return what the client is to hear."""
        return PermissionDenied(_TOLD[self.reason], code=self.reason.value)


@record(frozen=True, slots=True)
class _Running:
    caller: Caller
    interrupt: Interrupt


class LiveRequests:
    """Running requests by id."""

    def __init__(self) -> None:
        self._running: dict[UUID, _Running] = {}

    def __len__(self) -> int:
        return len(self._running)

    def add(self, request_id: UUID, caller: Caller, interrupt: Interrupt) -> None:
        """Note a running request and how it is interrupted."""
        self._running[request_id] = _Running(caller, interrupt)

    def discard(self, request_id: UUID) -> None:
        """Forget a request that has ended."""
        self._running.pop(request_id, None)

    def drain(self) -> None:
        """End every running request as drained."""
        for running in list(self._running.values()):
            running.interrupt(DrainedError())

    def end_those_stopped(
        self, reason_of: Callable[[Caller], StopReason | None]
    ) -> int:
        """End the requests whose caller may not go on; return how many those are.

        Nothing more of them is handed over, however much has come already.
        """
        ended = 0
        for running in list(self._running.values()):
            if (reason := reason_of(running.caller)) is not None:
                running.interrupt(KeyRevokedError(reason), at_once=True)
                ended += 1
        return ended
