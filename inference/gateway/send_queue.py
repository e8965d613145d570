"""How much a socket's kernel will take at once, asked of the kernel itself.

What is written in one piece counts as handed over as a whole, so a piece that the
kernel may take only in part would be a gift to a client that leaves with it. Failure: a
socket that cannot be asked, or a system that does not tell, is said to have no room.
"""

import fcntl
import socket
import struct
from typing import Any, NamedTuple

# Linux's SIOCOUTQNSD; its SIOCOUTQ is TIOCOUTQ.
_NOT_SENT = 0x894B
_FIGURE = struct.Struct("i")
_UNASKED = bytes(_FIGURE.size)
# Linux's SO_MEMINFO: what the kernel has charged to the socket, and may.
_MEMORY = 55
_FIGURES = struct.Struct("9I")
_BUFFER, _CHARGED = 3, 5
# Of what one write takes: the packets' own sizes, and pages that are not full.
_OVERHEAD_BYTES = 8192


class Room(NamedTuple):
    """What the kernel is sure to take whole: so many bytes, in so many writes."""

    size: int
    writes: int


NO_ROOM = Room(0, 0)


def room_of(sock: Any, *, not_sent_max: int) -> Room:
    """Ask the kernel; `not_sent_max` is the socket's TCP_NOTSENT_LOWAT."""
    try:
        descriptor = sock.fileno()
        figures = sock.getsockopt(socket.SOL_SOCKET, _MEMORY, _FIGURES.size)
        memory = _FIGURES.unpack(figures)
        # What is not sent is charged: mostly there is neither.
        not_sent = _queued(descriptor, _NOT_SENT) if memory[_CHARGED] else 0
    except (OSError, ValueError, struct.error):
        return NO_ROOM
    # In bytes it could not be told: a small packet is charged at many times its own.
    left: int = memory[_BUFFER] - memory[_CHARGED] - _OVERHEAD_BYTES
    size = min(not_sent_max - not_sent, left)
    return Room(size, 1 + (left - size) // _OVERHEAD_BYTES) if size > 0 else NO_ROOM


def _queued(descriptor: int, request: int) -> int:
    size: int = _FIGURE.unpack(fcntl.ioctl(descriptor, request, _UNASKED))[0]
    return size
