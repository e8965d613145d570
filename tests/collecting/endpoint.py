"""The product's web process, where Stripe's webhooks arrive: killed, it comes again.

The socket is ours, and stays while the process behind it does not: who calls in between
waits, as behind a load balancer. Failure: none of its own. Owns: socket and process.
"""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from multiprocessing.process import BaseProcess

import django

django.setup()

import uvicorn  # noqa: E402

from config.asgi import application  # noqa: E402
from tests.collecting.lives import hush, spawn  # noqa: E402
from tests.collecting.place import Place, standing_in  # noqa: E402

PATH = "/webhooks/stripe/"


class Endpoint:
    """A web process behind a socket that stays open."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}{PATH}"
        self.deaths = 0
        self._is_over = False
        self._process = self._begun()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def kill(self) -> None:
        """Kill the process behind the socket."""
        os.kill(self._process.pid or 0, signal.SIGKILL)

    def close(self) -> None:
        """End it for good."""
        self._is_over = True
        self.kill()
        self._keeper.join()
        self._socket.close()

    def _begun(self) -> BaseProcess:
        return spawn(_serve, self._place, self._socket)

    def _keep(self) -> None:
        while True:
            self._process.join()
            if self._is_over:
                return
            self.deaths += 1
            self._process = self._begun()


@contextlib.contextmanager
def taking_webhooks(place: Place) -> Iterator[Endpoint]:
    """Serve webhooks while the block runs."""
    endpoint = Endpoint(place)
    try:
        yield endpoint
    finally:
        endpoint.close()


def _serve(place: Place, listening: socket.socket) -> None:
    hush()
    with standing_in(place):
        config = uvicorn.Config(
            application, log_level="error", lifespan="off", access_log=False
        )
        uvicorn.Server(config).run(sockets=[listening])
