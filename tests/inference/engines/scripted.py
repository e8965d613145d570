"""Hand-made engines that do what no engine should: raw sockets that follow a script.

A script is a function of the engine's end of one connection; each connection runs it in
a thread of its own. What goes wrong in a script fails the test that ran it.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.inference.engines.wire import STREAM_HEAD, chunk

PATIENCE_S = 20.0
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the engine read it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Return the body, which is an object."""
        parsed: dict[str, Any] = orjson.loads(self.body)
        return parsed

    def header(self, name: str) -> str | None:
        """Return a header's value."""
        return dict(self.headers).get(name)


class EngineSide:
    """The engine's end of one connection; `number` counts connections from 1."""

    def __init__(self, sock: socket.socket, number: int, engine: "ScriptedEngine"):
        self.sock = sock
        self.number = number
        self.ended = threading.Event()
        self._engine = engine
        self._rest = b""

    def request(self) -> Request | None:
        """Read the next request; None when there is none any more."""
        while b"\r\n\r\n" not in self._rest:
            if not self._receive():
                return None
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.split(": ", 1) for line in lines]
        headers = [(name.lower(), value) for name, value in pairs]
        length = int(dict(headers).get("content-length", "0"))
        while len(self._rest) < length:
            if not self._receive():
                return None
        body, self._rest = self._rest[:length], self._rest[length:]
        method, target, _ = first.split(" ")
        request = Request(method, target, headers, body)
        self._engine.requests.append(request)
        return request

    def send(self, *parts: bytes) -> None:
        """Write, and return once the kernel has taken all of it."""
        self.sock.sendall(b"".join(parts))

    def stream(self, *events: bytes) -> None:
        """Start a stream with these events, each a chunk of its own."""
        self.send(STREAM_HEAD, *map(chunk, events))

    def reset(self) -> None:
        """Break the connection off without a goodbye."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.sock.close()

    def wait_until_left(self) -> None:
        """Return once the other side has gone, and say so in `engine.left`."""
        while self._receive():
            pass
        self._engine.left.set()

    def has_been_left(self, *, within_s: float) -> bool:
        """Wait for the other side to go, and tell whether it has."""
        self.sock.settimeout(within_s)
        try:
            return not self._receive()
        except TimeoutError:
            return False
        finally:
            self.sock.settimeout(PATIENCE_S)

    def _receive(self) -> bool:
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            return False
        self._rest += data
        return bool(data)


Script = Callable[[EngineSide], None]


@dataclass(slots=True)
class ScriptedEngine:
    """A listening engine and what came to it."""

    url: str
    requests: list[Request] = field(default_factory=list)
    connections: list[EngineSide] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def scripted_engine(
    script: Script, *, tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedEngine]:
    """Run an engine that follows this script on each of its connections."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    scheme = "http" if tls is None else "https"
    engine = ScriptedEngine(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}")
    failures: list[BaseException] = []
    threads: list[threading.Thread] = []

    def follow(side: EngineSide) -> None:
        try:
            if tls is not None:
                side.sock = tls.wrap_socket(side.sock, server_side=True)
            script(side)
        except OSError:
            pass  # The gateway left, or the test is over.
        except BaseException as failure:
            failures.append(failure)
        finally:
            with contextlib.suppress(OSError):
                side.sock.close()
            side.ended.set()

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.settimeout(PATIENCE_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            side = EngineSide(sock, len(engine.connections) + 1, engine)
            engine.connections.append(side)
            thread = threading.Thread(target=follow, args=(side,), daemon=True)
            threads.append(thread)
            thread.start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield engine
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(PATIENCE_S)
        for side in engine.connections:
            with contextlib.suppress(OSError):
                side.sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        assert not failures, failures
