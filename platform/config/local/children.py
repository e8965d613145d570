"""Child processes that never outlive their parent, and ports for them.

On Linux the kernel signals a child when its parent dies, however the parent died.
Elsewhere only an orderly end takes the children along.
"""

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def dies_with_parent(death: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that asks the kernel for `death` once this process is gone.

    It runs after the change of user, which would take the request back.
    """
    parent = os.getpid()

    def _ask() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, int(death))
        if os.getppid() != parent:  # it died between fork and here
            os.kill(os.getpid(), signal.SIGKILL)

    return _ask


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(host: str, port: int) -> bool:
    """Tell whether this process could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def is_alive(pid: int) -> bool:
    """Tell whether the process runs; one that ended but was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc/self").exists()
