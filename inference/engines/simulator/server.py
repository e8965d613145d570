"""Run one simulator process: listen, serve, and stop as vLLM stops.

When `serve` is cancelled, streams under way end with `finish_reason: "abort"`, their
usage and `[DONE]`; a client that does not read is dropped after `GRACE_S`. Failure:
an address that is taken raises `OSError` before anything is served.
"""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
import time

import uvloop

from inference.engines.simulator.connection import Connection
from inference.engines.simulator.engine import Engine
from inference.engines.simulator.routes import Simulator
from inference.engines.simulator.settings import SimulatorSettings

BACKLOG = 4096
GRACE_S = 1.0


def listen(settings: SimulatorSettings) -> socket.socket:
    """Return a socket that listens at the settings' address; port 0 takes a free one.

    From here on a client can connect, so that the address may be announced.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.socket(family)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((settings.host, settings.port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


async def serve(
    settings: SimulatorSettings, *, sock: socket.socket | None = None
) -> None:
    """Serve until cancelled. `sock`, where given, is bound and becomes ours."""
    engine = Engine(settings.behaviour, started_at=time.time())
    simulator = Simulator(settings, engine)
    connections: set[Connection] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(simulator, connections),
        sock=sock or listen(settings),
        backlog=BACKLOG,
    )
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        server.close()
        for connection in tuple(connections):
            connection.shut_down()
        if connections:
            closing = [connection.closed for connection in connections]
            await asyncio.wait(closing, timeout=GRACE_S)
        for connection in tuple(connections):
            connection.drop()


def run(settings: SimulatorSettings) -> None:
    """Serve until SIGTERM or SIGINT; announce the address on standard output."""
    with contextlib.suppress(asyncio.CancelledError):
        uvloop.run(_serve_until_signalled(settings))


async def _serve_until_signalled(settings: SimulatorSettings) -> None:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    sock = listen(settings)
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    port, model = sock.getsockname()[1], settings.behaviour.model
    sys.stdout.write(f"simulator: http://{host}:{port} serves {model}\n")
    sys.stdout.flush()
    # What is loaded now lives for ever; the collector need not look at it again.
    gc.freeze()
    await serve(settings, sock=sock)
