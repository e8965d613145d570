"""What the kernel says of a TCP socket of ours: the judge of what was handed over.

Linux alone. Offsets are those of `struct tcp_info`, which only ever grows at its end.
"""

import socket
import struct
from typing import Any

# The least that Linux gives: it doubles what it is told, and goes no lower.
SMALLEST_BUFFER = 1
_INFO_BYTES = 232
_NOT_SENT = struct.Struct("I"), 144
_SENT = struct.Struct("Q"), 200
_SENT_AGAIN = struct.Struct("Q"), 208


def taken_bytes(sock: Any) -> int:
    """Return how many bytes the kernel has taken from us on this connection.

    Sent once, or waiting to be sent: one consistent look, under the socket's lock.
    """
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)

    def figure(place: tuple[struct.Struct, int]) -> int:
        shape, offset = place
        value: int = shape.unpack_from(info, offset)[0]
        return value

    return figure(_SENT) - figure(_SENT_AGAIN) + figure(_NOT_SENT)


def shrink_send_buffer(sock: Any) -> None:
    """Let the kernel take as little ahead of the reader as it can."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALLEST_BUFFER)


def read_all_at_hand(sock: socket.socket) -> bytes:
    """Return what lies ready in a socket's queue, without waiting for more."""
    patience_s = sock.gettimeout()
    sock.setblocking(False)
    parts = []
    try:
        while data := sock.recv(65536):
            parts.append(data)
    except BlockingIOError:
        pass
    finally:
        sock.settimeout(patience_s)
    return b"".join(parts)
