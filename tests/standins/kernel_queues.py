"""What the kernel holds of an answer, at both ends of a connection on this machine.

Our own end is read without being taken. The other end's is asked for by the address of
the one socket, which takes some microseconds: `/proc/net/tcp` walks through all that
the kernel has room for, and while it does the other end goes on sending.

Failure: a kernel that does not answer such questions is read through `/proc` after all.
A socket that is gone holds nothing.
"""

import contextlib
import fcntl
import socket
import struct
import termios
from dataclasses import dataclass
from pathlib import Path

Address = tuple[str, int]

# <linux/netlink.h>, <linux/sock_diag.h> and <linux/inet_diag.h>.
_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST = 1
_ANY = 0xFFFF_FFFF
_HEADER = struct.Struct("=IHHII")
# Family, protocol, what more to tell, and in which states.
_QUESTION = struct.Struct("=BBBxI")
# Ports and addresses as they go over a wire; then an interface and a cookie.
_PORTS = struct.Struct("!HH")
_PLACE = struct.Struct("=4s12x4s12xIII")
# Four bytes of state, and the socket that was found; when it expires, the two queues.
_FOUND = struct.Struct("!4xHH")
_QUEUES = struct.Struct(f"=4x{_PORTS.size + _PLACE.size}xIII")
_ANSWER_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Sockets:
    """What the kernel held of an answer: unread at our end, unacknowledged at theirs.

    A byte that has arrived and is not acknowledged yet is in both. More may have come
    in the time that asking and leaving took.
    """

    unread: bytes
    unacknowledged_bytes: int
    asked_s: float = 0.0

    @property
    def unread_bytes(self) -> int:
        """Return how much had arrived at our end."""
        return len(self.unread)

    @property
    def bytes_max(self) -> int:
        """Return the most that can have lain there."""
        return self.unread_bytes + self.unacknowledged_bytes


def lying_in_sockets(sock: socket.socket) -> Sockets:
    """Ask the kernel what it holds of the answer that `sock` is to read."""
    ours, theirs = sock.getsockname(), sock.getpeername()
    # Their end first: what moves on while we look is then seen twice, and never missed.
    unacknowledged = unacknowledged_bytes(theirs, ours)
    return Sockets(unread=_unread(sock), unacknowledged_bytes=unacknowledged)


def unacknowledged_bytes(local: Address, remote: Address) -> int:
    """Return the send queue of a socket of any process on this machine."""
    with contextlib.suppress(OSError):
        return queue_by_address(local, remote)
    return queue_in_proc(local, remote)


def queue_by_address(local: Address, remote: Address) -> int:
    """Ask for the one socket; raises `OSError` where that is not known, or not told."""
    question = (
        _QUESTION.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, _ANY)
        + _PORTS.pack(local[1], remote[1])
        + _PLACE.pack(
            socket.inet_aton(local[0]), socket.inet_aton(remote[0]), 0, _ANY, _ANY
        )
    )
    header = _HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, _REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.sendto(header + question, (0, 0))
        answer = kernel.recv(_ANSWER_BYTES_MAX)
    _, kind, *_ = _HEADER.unpack_from(answer)
    ports = local[1], remote[1]
    # Where there is none, it may tell of the socket that listens on the local port.
    if kind != _BY_FAMILY or _FOUND.unpack_from(answer, _HEADER.size) != ports:
        raise OSError("the kernel tells nothing of this socket")
    _, _, queue = _QUEUES.unpack_from(answer, _HEADER.size)
    return int(queue)


def queue_in_proc(local: Address, remote: Address) -> int:
    """Look for the socket among all; one that is not there holds nothing."""
    here_wanted, there_wanted = f":{local[1]:04X}", f":{remote[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, queues, *_ = line.split()
        if here.endswith(here_wanted) and there.endswith(there_wanted):
            return int(queues.partition(":")[0], 16)
    return 0


def _unread(sock: socket.socket) -> bytes:
    """Return what has arrived and was not read, and leave it there."""
    [size] = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)))
    with contextlib.suppress(ConnectionError):
        return sock.recv(size, socket.MSG_PEEK) if size else b""
    return b""
