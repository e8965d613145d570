"""The requests that run now, so that they can be ended from outside.

All of them, when the process has to stop or the database is away; those of a caller,
when its key or its tenant may not go on. One that has not reached an engine yet, or is
between two, is not here: whoever asks does so again and again.
"""

from collections import Counter
from collections.abc import Callable

from inference.gateway.interruption import Interruption
from inference.routing.snapshot import StopReason
from kit.contracts import Caller
from kit.errors import PermissionDenied

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


class LiveRequests:
    """Running requests: whose each is, and how it is interrupted."""

    def __init__(self) -> None:
        self._running: dict[Interruption, Caller] = {}

    def __len__(self) -> int:
        return len(self._running)

    def add(self, interruption: Interruption, caller: Caller) -> None:
        """Note a running request by how it is interrupted."""
        self._running[interruption] = caller

    def discard(self, interruption: Interruption) -> None:
        """Forget a request that has ended."""
        self._running.pop(interruption, None)

    def by_tenant(self) -> Counter[int]:
        """Count what runs, by the id of the tenant."""
        return Counter(caller.tenant_id for caller in self._running.values())

    def drain(self) -> None:
        """End every running request as drained."""
        for interruption in list(self._running):
            interruption.interrupt(DrainedError())

    def end_those_stopped(
        self, reason_of: Callable[[Caller], StopReason | None]
    ) -> int:
        """End the requests whose caller may not go on; return how many those are.

        Nothing more of them is handed over, however much has come already.
        """
        ended = 0
        for interruption, caller in list(self._running.items()):
            if (reason := reason_of(caller)) is not None:
                interruption.interrupt(KeyRevokedError(reason), at_once=True)
                ended += 1
        return ended
