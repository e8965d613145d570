"""What is no clean HTTP is refused in the API's shape, and breaks into no answer."""

import pytest

from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /v1/models HTTP/1.1\r\nhost: x\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / SPDY/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx: a\r\n folded\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx : a\r\n\r\n",
        CHUNKED + b"content-length: 5\r\n\r\n0\r\n\r\n",
        CHUNKED + b"\r\nno number\r\n",
        POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        POST + b"content-length: -1\r\n\r\n",
    ],
)
def test_a_malformed_request_gets_an_error_of_the_api(
    raw: RawClient, request_bytes: bytes
) -> None:
    raw.sock.sendall(request_bytes)
    _require_refusal(raw)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.0\r\nhost: a\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_a_request_names_one_host_or_is_older_than_hosts(
    raw: RawClient, head: bytes, status: int
) -> None:
    raw.sock.sendall(head)
    if status == 400:
        message = _require_refusal(raw)
        assert message == "Send one Host header with a request."
    else:
        raw.read_to_end()
        [answer] = raw.answers
        assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_http_1_0_is_answered_and_the_connection_ended(
    gateway: RunningGateway, raw: RawClient
) -> None:
    raw.sock.sendall(
        b"GET /v1/models HTTP/1.0\r\nconnection: keep-alive\r\n"
        b"authorization: Bearer " + gateway.key.encode() + b"\r\n\r\n"
    )
    raw.read_to_end()
    [answer] = raw.answers
    assert answer.status == 200
    assert answer.header("connection") == "close"
    assert answer.header("content-length") == str(len(answer.body))


@pytest.mark.parametrize(
    "behind", [b"GARBAGE\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n", CHUNKED + b"\r\nz"]
)
def test_requests_before_a_malformed_one_are_answered(
    raw: RawClient, behind: bytes
) -> None:
    raw.sock.sendall(GET + GET + behind)
    raw.read_to_end()
    assert [answer.status for answer in raw.answers] == [200, 200]
    assert raw.answers[-1].header("connection") == "close"


def test_a_malformed_request_does_not_break_into_a_stream(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    simulator.change(inter_token_ms=5)
    raw.chat(model, stream=True, max_tokens=20)
    raw.read_text(" t1 ")
    raw.sock.sendall(b"GARBAGE\r\n\r\n")
    raw.read_to_end()
    [answer] = raw.answers
    assert answer.is_done
    assert answer.text.count(" t") == 20
    [outcome] = gateway.meter.outcomes
    assert outcome.counts.output_tokens == 20


def test_a_body_that_turns_malformed_leaves_nothing_behind(
    gateway: RunningGateway, raw: RawClient
) -> None:
    raw.sock.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer "
        + gateway.key.encode()
        + b"\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n"
    )
    wait_until(lambda: gateway.server.server_state.tasks)
    raw.sock.sendall(b"no number\r\n")
    _require_refusal(raw)
    wait_until(lambda: not gateway.server.server_state.tasks)
    assert not gateway.meter.admissions


def test_a_request_that_is_answered_gets_no_second_answer(raw: RawClient) -> None:
    raw.sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
    raw.sock.sendall(b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n")
    assert raw.read().status == 401
    raw.sock.sendall(b"no number\r\n")
    assert raw.read_to_end().status == 0
    assert raw.answers == []


def test_nothing_after_a_malformed_request_is_read(raw: RawClient) -> None:
    raw.sock.sendall(b"GARBAGE\r\n\r\n" + GET)
    _require_refusal(raw)


def _require_refusal(raw: RawClient) -> str:
    """Read one 400 and the connection's end; return its message."""
    raw.read_to_end()
    [answer] = raw.answers
    assert answer.status == 400
    assert answer.header("content-type") == "application/json"
    assert answer.header("connection") == "close"
    assert len(answer.header("x-request-id") or "") == 36
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    return str(error["message"])
