"""How much a socket's kernel will take at once, asked of the kernel itself.

What is written in one piece counts as handed over as a whole, so a piece that the
kernel may take only in part would be a gift to a client that leaves with it. Failure: a
socket that cannot be asked, or a system that does not tell, is said to have no room.
"""

import fcntl
import socket
import struct
import termios
from typing import Any

# Linux's SIOCOUTQNSD; its SIOCOUTQ is TIOCOUTQ.
_NOT_SENT = 0x894B
_UNACKNOWLEDGED = termios.TIOCOUTQ
_FIGURE = struct.Struct("i")
_UNASKED = bytes(_FIGURE.size)
# The kernel charges a small packet at several times its bytes.
_CHARGED_MAX = 4


def has_room(sock: Any, size: int, *, not_sent_max: int) -> bool:
    """Tell whether the kernel will take `size` bytes whole.

    `not_sent_max` is the socket's TCP_NOTSENT_LOWAT.
    """
    try:
        descriptor = sock.fileno()
        unacknowledged = _queued(descriptor, _UNACKNOWLEDGED)
        # What is not sent is not acknowledged either: mostly there is neither.
        not_sent = _queued(descriptor, _NOT_SENT) if unacknowledged else 0
        buffer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    except (OSError, ValueError):
        return False
    room: int = buffer // _CHARGED_MAX
    return not_sent + size <= not_sent_max and unacknowledged + size <= room


def _queued(descriptor: int, request: int) -> int:
    size: int = _FIGURE.unpack(fcntl.ioctl(descriptor, request, _UNASKED))[0]
    return size
