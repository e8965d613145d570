"""A mail server of a few lines: takes mails on a socket, and refuses whom it is told.

Failure: a client that goes away ends its own connection alone.
"""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class MailServer:
    """Where it is, whom it refuses by which answer, what it took, how often called.

    `unwanted` are refused when their mail's text is to come.
    """

    port: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    unwanted: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[list[str], str]] = field(default_factory=list)
    connections: int = 0


@contextmanager
def serving() -> Iterator[MailServer]:
    """Run a mail server on loopback."""
    state = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            state.connections += 1
            _converse(self, state)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def _converse(on: socketserver.StreamRequestHandler, state: MailServer) -> None:
    """Answer commands until the client leaves, or is told to."""
    to: list[str] = []
    is_begun = False

    def say(line: str) -> None:
        on.wfile.write(f"{line}\r\n".encode())

    say("220 ready")
    while line := on.rfile.readline().decode().strip():
        verb = line.split(":")[0].upper()
        if verb == "RCPT TO":
            address = line.partition("<")[2].partition(">")[0]
            answer = state.refused.get(address, "250 yes")
            to += [] if address in state.refused else [address]
            say(answer)
            if answer.startswith("421"):
                return
        elif verb == "MAIL FROM":
            # A mail that was begun is given up before the next one.
            say("503 one at a time" if is_begun else "250 yes")
            is_begun = True
        elif verb == "DATA":
            if answer := next(
                (state.unwanted[e] for e in to if e in state.unwanted), ""
            ):
                say(answer)
                continue
            say("354 go on")
            state.taken.append((to, _text(on)))
            to, is_begun = [], False
            say("250 taken")
        elif verb == "QUIT":
            say("221 bye")
            return
        else:
            to, is_begun = [], False
            say("250 yes")


def _text(on: socketserver.StreamRequestHandler) -> str:
    lines = []
    while (line := on.rfile.readline().decode()) not in (".\r\n", ""):
        lines.append(line)
    return "".join(lines)
