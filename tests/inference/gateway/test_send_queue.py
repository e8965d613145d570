"""What a socket is said to take whole it takes whole, in that many writes."""

import contextlib
import random
import socket
from collections.abc import Iterator

import pytest

from inference.gateway.connection import (
    NOTSENT_LOWAT_BYTES,
    Downstream,
    RequestHead,
)
from inference.gateway.send_queue import NO_ROOM, room_of

Pair = tuple[socket.socket, socket.socket]


@contextlib.contextmanager
def connected(
    *, buffer: int | None = None
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connect to a peer; yield our side, which never blocks, and its."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
        with peer, ours:
            if buffer is not None:
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            ours.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES
            )
            ours.setblocking(False)
            peer.setblocking(False)
            yield ours, peer


def fill(sock: socket.socket, piece: bytes) -> None:
    with contextlib.suppress(BlockingIOError):
        for _ in range(10_000_000 // len(piece)):
            sock.send(piece)


@pytest.mark.parametrize("buffer", [None, 6_000, 20_000, 64_000])
def test_what_is_sure_goes_whole(buffer: int | None) -> None:
    """However full it is before, and however much its peer takes of that."""
    chance = random.Random(buffer or 1)
    sure = 0
    with connected(buffer=buffer) as (sock, peer):
        for _ in range(300):
            if chance.random() < 0.5:
                fill(sock, bytes(chance.choice((300, 5_000, 50_000))))
            with contextlib.suppress(BlockingIOError):
                peer.recv(chance.choice((1, 100, 5_000, 100_000, 10_000_000)))
            room = room_of(sock, not_sent_max=NOTSENT_LOWAT_BYTES)
            writes = min(room.writes, chance.choice((1, 2, 10, 1000)))
            size = room.size // writes if writes else 0
            for _ in range(writes if size else 0):
                assert sock.send(bytes(size)) == size
                sure += size
    assert sure


def test_nothing_is_sure_behind_a_full_buffer() -> None:
    with connected(buffer=64_000) as (sock, _):
        fill(sock, bytes(1000))

        assert room_of(sock, not_sent_max=NOTSENT_LOWAT_BYTES) == NO_ROOM


def test_socket_that_cannot_be_asked_has_no_room() -> None:
    with connected() as (sock, _):
        sock.close()

        assert room_of(sock, not_sent_max=NOTSENT_LOWAT_BYTES) == NO_ROOM


class AskedSocket:
    """A socket that counts how often it is asked."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.asked = sock, 0

    def fileno(self) -> int:
        return self.sock.fileno()

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        self.asked += 1
        return self.sock.getsockopt(level, option, size)


class Line:
    """A connection whose writes go straight into the kernel; as much as is used."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = AskedSocket(sock)
        self.transport = self
        self.short = 0

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.short += len(data) - self.sock.sock.send(data)


@pytest.mark.parametrize("size", [1, 100, 3000])
def test_kernel_is_asked_again_once_its_room_is_used(size: int) -> None:
    with connected(buffer=64_000) as (sock, _):
        line = Line(sock)
        client = Downstream(line, RequestHead("POST", "/", b"/", [], None))  # type: ignore[arg-type]
        written = 0
        while client.takes_whole(size):
            client.write(bytes(size))
            written += 1

        assert not line.short
        assert 1 < line.sock.asked < written
