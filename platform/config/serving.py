"""uvicorn's server, taught how a gateway ends: not ready at once, then drained.

And what is said of a task that ends before it.
"""

import asyncio
import socket
from types import FrameType

import structlog
import uvicorn

from inference.gateway.live import LiveRequests

log = structlog.get_logger("tollgate.gateway")


class GatewayServer(uvicorn.Server):
    """uvicorn's server, which stops being ready with the first signal."""

    def __init__(
        self, config: uvicorn.Config, *, live: LiveRequests, drain_s: float
    ) -> None:
        super().__init__(config)
        self._live = live
        self._drain_s = drain_s

    @property
    def is_draining(self) -> bool:
        """Tell whether the server has been asked to stop."""
        return bool(self.should_exit)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal for a wish to stop, and for nothing else.

        uvicorn would raise it again once it has served, which would end the process
        before the last events are committed.
        """
        super().handle_exit(sig, frame)
        self._captured_signals.clear()
        # Nor does asking twice: it would leave running requests behind, unbilled.
        self.force_exit = False

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting; give running requests their time, then end them."""
        timer = asyncio.get_running_loop().call_later(self._drain_s, self._live.drain)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()


def tell_of_its_end(task: "asyncio.Task[None]") -> None:
    """Say loudly that a task has ended which runs as long as the process."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("task_ended", task=task.get_name(), exc_info=error)
