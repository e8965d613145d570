"""TLS in front: nginx's configuration, tried with a real nginx where there is one."""

import contextlib
import re
import shutil
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from config.local.account import service_account
from config.local.children import LOOPBACK, free_port, is_free
from tests.deploy.compose import DEPLOY
from tests.journeys.product import temporary_state

COMPOSE = DEPLOY / "nginx" / "compose.conf"
ON_A_HOST = DEPLOY / "nginx" / "tollgate.conf"
START_SECONDS_MAX = 20.0
HERE = shutil.which("nginx") and shutil.which("openssl")
needs_nginx = pytest.mark.skipif(not HERE, reason="nginx and openssl: not installed")


@dataclass
class Gateway:
    """A stand-in that streams two events, the second only when told to."""

    heads: list[str] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)

    def answer(self, handler: socketserver.StreamRequestHandler) -> None:
        """Answer one request."""
        lines = iter(handler.rfile.readline, b"\r\n")
        self.heads.append(b"".join(lines).decode())
        handler.wfile.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"connection: close\r\n\r\ndata: first\n\n"
        )
        self.go_on.wait(START_SECONDS_MAX)
        handler.wfile.write(b"data: second\n\n")


@dataclass(frozen=True)
class Front:
    """A running nginx and what is behind it."""

    http: str
    https: str
    gateway: Gateway


@pytest.fixture
def front() -> Iterator[Front]:
    """Run nginx with the configuration of compose.yaml, less what it cannot have here.

    That is Docker's name server, and the spelling of http2 that came with 1.25.
    """
    gateway = Gateway()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            gateway.answer(self)

    with (
        socketserver.ThreadingTCPServer((LOOPBACK, 0), Handler) as server,
        temporary_state() as folder,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        plain, secure = free_port(), free_port()
        text = COMPOSE.read_text()
        for old, new in {
            "        resolver 127.0.0.11 valid=2s ipv6=off;\n": "",
            "gateway:8000 resolve;": f"{LOOPBACK}:{server.server_address[1]};",
            "listen 8080;": f"listen {LOOPBACK}:{plain};",
            "listen 8443 ssl;": f"listen {LOOPBACK}:{secure} ssl http2;",
            "        http2 on;\n": "",
            "/tmp/": f"{folder}/",  # noqa: S108
            "/etc/nginx/tls/": f"{folder}/",
        }.items():
            assert old in text
            text = text.replace(old, new)
        with running(folder, text, secure):
            yield Front(
                f"http://{LOOPBACK}:{plain}", f"https://{LOOPBACK}:{secure}", gateway
            )
        gateway.go_on.set()
        server.shutdown()


@contextlib.contextmanager
def running(folder: Path, text: str, port: int) -> Iterator[None]:
    """Run nginx as an ordinary user until the block ends."""
    account = service_account()
    folder.mkdir()
    (folder / "nginx.conf").write_text(text)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=gate.example", "-keyout", str(folder / "privkey.pem")),
            *("-out", str(folder / "fullchain.pem")),
        ],
        check=True,
        capture_output=True,
    )
    for path in (folder, *folder.iterdir()):
        account.give(path)
    with subprocess.Popen(
        ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")],
        cwd="/",
        **account.popen(),
    ) as nginx:
        deadline = time.monotonic() + START_SECONDS_MAX
        while is_free(LOOPBACK, port):
            assert nginx.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
        nginx.terminate()


@needs_nginx
def test_each_event_comes_when_it_is_sent(front: Front) -> None:
    headers = {"host": "gate.example", "x-forwarded-for": "10.9.8.7"}
    with (
        httpx.Client(verify=False, trust_env=False) as client,  # noqa: S501
        client.stream(
            "POST", f"{front.https}/v1/x", headers=headers, json={}
        ) as answer,
    ):
        events = answer.iter_text()
        assert next(events) == "data: first\n\n"
        front.gateway.go_on.set()
        assert next(events) == "data: second\n\n"
    [head] = front.gateway.heads
    told = dict(re.findall(r"^([\w-]+): (.*)\r$", head, re.MULTILINE))
    # What a client says of itself is not passed on.
    assert told["X-Forwarded-For"] == LOOPBACK
    assert (told["X-Forwarded-Proto"], told["Host"]) == ("https", "gate.example")


@needs_nginx
def test_metrics_and_plain_http_are_not_for_outside(front: Front) -> None:
    with httpx.Client(verify=False, trust_env=False) as client:  # noqa: S501
        hidden = client.get(f"{front.https}/metrics")
        plain = client.get(f"{front.http}/admin/", headers={"host": "gate.example"})
    assert hidden.status_code == httpx.codes.NOT_FOUND
    assert plain.headers["location"] == "https://gate.example/admin/"
    assert front.gateway.heads == []


def test_both_configurations_treat_a_stream_alike() -> None:
    ours, example = (directives(file) for file in (COMPOSE, ON_A_HOST))
    assert {"proxy_buffering off", "proxy_ignore_client_abort off"} <= example
    assert example <= ours


def directives(file: Path) -> set[str]:
    """Return what is said about passing on, and about bodies."""
    found = re.findall(
        r"^\s*((?:proxy_|client_\w+_timeout|client_max).*);", file.read_text(), re.M
    )
    return {" ".join(line.split()) for line in found}
