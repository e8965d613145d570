"""The question to a process: what is ill is said with a status and one line."""

import http.server
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import health
from config.local.children import LOOPBACK, free_port

HOSTS: list[str] = []


class Pages(http.server.BaseHTTPRequestHandler):
    """A process that answers for one host and has one page."""

    def do_GET(self) -> None:
        """Answer like Django: 400 to a host that is not ours."""
        HOSTS.append(self.headers["host"])
        is_here = self.path in {"/accounts/login/", "/healthz"}
        self.send_response(200 if is_here and HOSTS[-1] != "wrong.example" else 400)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Run the process."""
    with http.server.HTTPServer((LOOPBACK, 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(
    ("allowed", "asked"),
    [
        ("gate.example,other.example", "gate.example"),
        (".gate.example", "gate.example"),
        ("*", "localhost"),
    ],
)
def test_web_is_asked_by_a_name_that_it_answers(
    allowed: str, asked: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", allowed)
    assert health.main(["web", "--port", str(port)]) == 0
    assert HOSTS[-1] == asked


def test_a_page_that_fails_is_an_illness(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "wrong.example")
    assert health.main(["web", "--port", str(port)]) == 1
    assert capsys.readouterr().err == "tollgate: web: /accounts/login/ answers 400\n"


def test_the_gateway_is_asked_at_its_port(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", str(port))
    assert health.main(["gateway"]) == 0
    monkeypatch.setenv("PORT", str(free_port()))
    assert health.main(["gateway"]) == 1


def test_beat_is_well_while_it_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = tmp_path / "beat-schedule"
    asked = ["beat", "--schedule", str(schedule)]
    assert health.main(asked) == 1
    # As dbm.ndbm calls it.
    file = tmp_path / "beat-schedule.db"
    file.touch()
    assert health.main(asked) == 0
    long_ago = time.time() - health.SCHEDULE_SECONDS_MAX - 60
    os.utime(file, (long_ago, long_ago))
    assert health.main(asked) == 1
    assert "was last written" in capsys.readouterr().err
