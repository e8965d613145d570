"""The socket that a gateway listens at, and shares with the others of its host.

Failure: one line that names the settings at fault, and the end of the process.
"""

import socket

BACKLOG = 4096


def listening_socket(host: str, port: int) -> socket.socket:
    """Open the listening socket; gateway processes of one host share the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise SystemExit(
            f"tollgate: HOST and PORT: {host}:{port}: {error.strerror}"
        ) from None
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener
