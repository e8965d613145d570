"""A receiver of webhooks: a real server that keeps what it was sent.

It answers as it is told, over http or TLS, on any loopback address. `held` makes it
keep a caller waiting until `release`.
"""

import datetime as dt
import ipaddress
import queue
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """A running receiver: how it answers, and what came in."""

    host: str
    port: int
    scheme: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b"ok"
    received: list[Received] = field(default_factory=list)
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go: threading.Event = field(default_factory=threading.Event)
    # Of each answer, whether all of it was taken.
    is_whole: queue.SimpleQueue[bool] = field(default_factory=queue.SimpleQueue)

    def url(self, host: str | None = None, path: str = "/hook") -> str:
        """Return its address, under another name if it is given."""
        return f"{self.scheme}://{host or self.host}:{self.port}{path}"

    def hold(self) -> None:
        """Answer nobody until it is released."""
        self.go.clear()

    def release(self) -> None:
        """Answer whoever waits, and everybody after."""
        self.go.set()

    def wait(self) -> None:
        """Return once another request came in."""
        assert self.came.acquire(timeout=PATIENCE_S), "nothing came in"


@contextmanager
def receiving(
    *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """Run a receiver."""
    server = ThreadingHTTPServer((host, port), _Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(host, server.server_address[1], "https" if tls else "http")
    receiver.release()
    server.receiver = receiver  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.release()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.received.append(Received(self.path, headers, body))
        receiver.came.release()
        receiver.go.wait(PATIENCE_S)
        self.send_response(receiver.status)
        for name, value in receiver.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(receiver.answer)))
        self.end_headers()
        try:
            self.wfile.write(receiver.answer)
        except OSError:
            self.close_connection = True
            receiver.is_whole.put(False)
        else:
            receiver.is_whole.put(True)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Certified:
    """What a server shows for some names, and what a client trusts it by."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def certified(folder: Path, *names: str) -> Certified:
    """Make a certificate for names and addresses, trusted by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_named(n) for n in names]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "certificate.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, private)
    return Certified(server, ssl.create_default_context(cafile=str(chain)))


def _named(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
