"""Calls: to the address that was checked and no other, and for no longer than allowed.

Real sockets. Names lead where a stand-in of the resolver says.
"""

import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kit.networks import network_of
from metering.alerts import calling
from metering.alerts.calling import Answer, Call, Reach, call_all
from tests.standins.webhook_receiver import (
    PATIENCE_S,
    Receiver,
    certified,
    receiving,
)

BODY = b'{"id":"evt_1"}'
NAME = "hooks.example.com"
PRIVATE = "its name leads to an address that is not called"


class Names:
    """A resolver that answers each look-up with the next of its answers."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Answer, and remember what was asked."""
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Provide a receiver on plain http."""
    with receiving() as running:
        yield running


def called(url: str, **reach: object) -> Answer:
    """Call one address."""
    [answer] = call_all(
        [Call(url, {"webhook-id": "evt_1"}, BODY)],
        reach=Reach(**reach),  # type: ignore[arg-type]
    )
    return answer


def test_loopback_is_called_by_http_where_a_rehearsal_says_so(
    receiver: Receiver,
) -> None:
    assert called(receiver.url(), http_loopback=True) == Answer(200)
    [request] = receiver.received
    assert (request.path, request.body) == ("/hook", BODY)
    assert request.headers["webhook-id"] == "evt_1"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("addresses", "reach"),
    [
        (["127.0.0.1"], {}),
        (["127.0.0.1"], {"allowed": [network_of("127.0.0.0/8")]}),
        (["8.8.8.8"], {"http_loopback": True}),
        (["127.0.0.1", "10.0.0.1"], {"http_loopback": True}),
    ],
)
def test_plain_http_goes_nowhere_else(
    receiver: Receiver, addresses: list[str], reach: dict[str, object]
) -> None:
    answer = called(receiver.url(NAME), resolve=Names(addresses), **reach)
    assert answer == Answer(problem=PRIVATE)
    assert receiver.received == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        # Of several, all must be public.
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
    ],
)
def test_a_name_that_leads_inside_is_not_called(
    tmp_path: Path, addresses: list[str]
) -> None:
    certificate = certified(tmp_path, NAME)
    with receiving(tls=certificate.server) as inside:
        answer = called(
            inside.url(NAME), resolve=Names(addresses), trust=certificate.client
        )
    assert answer == Answer(problem=PRIVATE)
    assert inside.received == []


def test_a_name_that_changes_is_called_where_it_was_checked(tmp_path: Path) -> None:
    """DNS rebinding: the second answer, which leads elsewhere, is never asked for."""
    certificate = certified(tmp_path, NAME)
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    with (
        receiving(host="127.0.0.2", tls=certificate.server) as outside,
        receiving(port=outside.port, tls=certificate.server) as inside,
    ):
        answer = called(
            outside.url(NAME),
            resolve=names,
            trust=certificate.client,
            allowed=[network_of("127.0.0.2")],
        )
        assert (answer, len(outside.received)) == (Answer(200), 1)
        assert inside.received == []
        assert names.asked == [(NAME, outside.port)]
        assert outside.received[0].headers["host"] == f"{NAME}:{outside.port}"
        # And the next call, which is led inside, is refused.
        again = called(
            outside.url(NAME),
            resolve=names,
            trust=certificate.client,
            allowed=[network_of("127.0.0.2")],
        )
        assert again == Answer(problem=PRIVATE)
        assert inside.received == []


def test_the_certificate_must_be_of_the_name_and_not_of_the_address(
    tmp_path: Path,
) -> None:
    certificate = certified(tmp_path, "other.example.com", "127.0.0.1")
    with receiving(tls=certificate.server) as running:
        answer = called(
            running.url(NAME),
            resolve=Names(["127.0.0.1"]),
            trust=certificate.client,
            allowed=[network_of("127.0.0.1")],
        )
        assert answer == Answer(problem="the connection failed (certificate or TLS)")
        assert running.received == []
        fine = called(
            running.url(),
            trust=certificate.client,
            allowed=[network_of("127.0.0.1")],
        )
        assert fine == Answer(200)


def test_the_next_address_is_tried_when_one_takes_no_connection(
    tmp_path: Path,
) -> None:
    certificate = certified(tmp_path, NAME)
    with receiving(tls=certificate.server) as running:
        answer = called(
            running.url(NAME),
            resolve=Names(["127.0.0.9", "127.0.0.1"]),
            trust=certificate.client,
            allowed=[network_of("127.0.0.0/8")],
        )
    assert answer == Answer(200)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    receiver.headers = {"location": receiver.url(path="/elsewhere")}
    answer = called(receiver.url(), http_loopback=True)
    assert (answer.status, answer.is_success) == (status, False)
    assert [each.path for each in receiver.received] == ["/hook"]


def test_the_proxy_of_the_environment_is_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(path=""))
        assert called(receiver.url(), http_loopback=True) == Answer(200)
    assert proxy.received == []


def test_a_long_answer_is_not_read(receiver: Receiver) -> None:
    receiver.answer = b"x" * 50_000_000
    assert called(receiver.url(), http_loopback=True) == Answer(200)
    assert not receiver.is_whole.get(timeout=PATIENCE_S)


def test_how_long_to_wait_is_taken_as_seconds_alone(receiver: Receiver) -> None:
    receiver.status = 503
    for text, seconds in (
        ("120", 120),
        ("-1", 0),
        ("Fri, 31 Dec 1999", 0),
        ("9" * 9, 0),
    ):
        receiver.headers = {"retry-after": text}
        answer = called(receiver.url(), http_loopback=True)
        assert answer == Answer(503, retry_after_s=seconds)


def test_what_drips_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte in time, and yet the whole is not: headers without an end."""
    monkeypatch.setattr(calling, "TIMEOUT_S", 0.5)
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stop.wait(0.05):
                    try:
                        client.sendall(b"x: y\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        port = server.getsockname()[1]
        answer = called(f"http://127.0.0.1:{port}/", http_loopback=True)
        stop.set()
        thread.join()
    assert answer == Answer(problem="it did not answer in time")


def test_a_name_server_that_never_answers_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calling, "TIMEOUT_S", 0.3)
    stop, ended = threading.Event(), threading.Event()

    def never(*_: object, **__: object) -> list[object]:
        stop.wait()
        ended.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    answer = called(f"https://{NAME}/")
    assert not ended.is_set()
    stop.set()
    assert answer == Answer(problem="it did not answer in time")


def test_what_nobody_foresaw_fails_its_own_call_alone(receiver: Receiver) -> None:
    async def odd_of_one(host: str, port: int) -> Sequence[str]:
        if host == NAME:
            raise RuntimeError("nobody thought of it")
        return [host]

    urls = (receiver.url(NAME), receiver.url())
    odd, fine = call_all(
        [Call(url, {}, BODY) for url in urls],
        reach=Reach(http_loopback=True, resolve=odd_of_one),
    )
    assert odd == Answer(problem="it could not be called")
    assert fine == Answer(200)


def test_what_leads_nowhere_says_so() -> None:
    assert called(f"https://{NAME}/", resolve=Names([])).problem == (
        "its name leads nowhere"
    )
    assert called("https://hooks.invalid/").problem == "its name leads nowhere"
