"""What clients send is bounded before it is read, and none of it steers engines."""

import gzip
import time

import pytest

from inference.gateway.protocol import HEADERS_MAX
from tests.inference.engines import wire
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.engines.wire import chunk, finish, token
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway, running_gateway

# What vLLM, its production stack and llm-d read of a request's head, and what proxies
# and frameworks believe.
STEERING = (
    "x-request-id: theirs",
    "x-client-request-id: theirs",
    "x-session-id: s",
    "x-session-token: s",
    "x-vllm-priority: -9",
    "x-data-parallel-rank: 1",
    "x-data-parallel-host-port: 10.0.0.1:80",
    "endpoint-load-metrics-format: JSON",
    "x-gateway-destination-endpoint: 10.0.0.1:80",
    "x-gateway-inference-fairness-id: t",
    "x-gateway-inference-objective: first",
    "x-gateway-model-name-rewrite: other",
    "x-prefiller-host-port: 10.0.0.1:80",
    "x-slo-ttft-ms: 1",
    "x-litellm-customer-id: other",
    "x-forwarded-for: 10.0.0.1",
    "x-original-url: /admin",
    "cookie: a=b",
    "x-api-key-engine: k",
    "te: trailers",
    "accept-encoding: gzip",
    "openai-organization: o",
)
SENT = {"host", "content-type", "content-length", "accept-encoding", "x-request-id"}


@pytest.mark.parametrize("stream", [True, False])
def test_no_header_of_a_client_s_reaches_an_engine(
    gateway: RunningGateway, raw: RawClient, stream: bool
) -> None:
    def answer(side: EngineSide) -> None:
        side.request()
        if stream:
            side.stream(token(1), finish(1), wire.usage(1), wire.DONE)
            side.send(wire.STREAM_END)
        else:
            side.send(wire.whole(wire.answer("x", output=1)))
        side.wait_until_left()

    with scripted_engine(answer) as engine:
        raw.chat(gateway.serve(engine.url), stream=stream, headers=STEERING)
        assert raw.read().status == 200
        [request] = engine.requests
    assert {name for name, _ in request.headers} == SENT
    [admission] = gateway.meter.admissions
    assert request.header("x-request-id") == f"{admission.request_id.hex}-0"
    assert request.header("accept-encoding") == "identity"


LEAKS = (
    b"set-cookie: session=engine\r\n"
    b"location: http://10.0.0.9:8000/\r\n"
    b"server: uvicorn\r\n"
    b"x-request-id: engine\r\n"
    b"x-engine-address: 10.0.0.9\r\n"
    b"x-tollgate-queue-ms: 99999\r\n"
    b"access-control-allow-origin: *\r\n"
    b"strict-transport-security: max-age=1\r\n"
    b"endpoint-load-metrics: {}\r\n"
)
SHOWN = {
    "content-type",
    "content-length",
    "date",
    "openai-processing-ms",
    "x-request-id",
    "x-tollgate-engine-ms",
    "x-tollgate-model",
    "x-tollgate-queue-ms",
}
SHOWN_OF_STREAMS = SHOWN - {"content-length", "x-tollgate-engine-ms"} | {
    "cache-control",
    "transfer-encoding",
    "x-accel-buffering",
    "x-tollgate-ttft-ms",
}


@pytest.mark.parametrize("stream", [True, False])
def test_no_header_of_an_engine_s_reaches_a_client(
    gateway: RunningGateway, raw: RawClient, stream: bool
) -> None:
    def answer(side: EngineSide) -> None:
        side.request()
        if stream:
            head = wire.STREAM_HEAD[:-2] + LEAKS + b"\r\n"
            events = (token(1), finish(1), wire.usage(1), wire.DONE)
            side.send(head, *map(chunk, events), wire.STREAM_END)
        else:
            whole = wire.whole(wire.answer("x", output=1))
            status_line, _, rest = whole.partition(b"\r\n")
            side.send(status_line + b"\r\n" + LEAKS + rest)
        side.wait_until_left()

    with scripted_engine(answer) as engine:
        raw.chat(gateway.serve(engine.url), stream=stream)
        shown = raw.read()
    assert shown.status == 200
    assert {name for name, _ in shown.headers} == (
        SHOWN_OF_STREAMS if stream else SHOWN
    )
    [admission] = gateway.meter.admissions
    assert shown.header("x-request-id") == str(admission.request_id)
    assert float(shown.header("x-tollgate-queue-ms") or 0) < 99_999


@pytest.mark.parametrize(
    "encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity"]
)
def test_a_compressed_body_is_refused(
    gateway: RunningGateway, raw: RawClient, encoding: str
) -> None:
    body = gzip.compress(b" " * 1_000_000)
    raw.post("/v1/chat/completions", body, headers=(f"content-encoding: {encoding}",))
    answer = raw.read()
    assert answer.status == 415
    assert answer.json["error"]["code"] == "unsupported_encoding"
    assert answer.header("accept-encoding") == "identity"
    assert not gateway.meter.admissions


def test_a_body_as_it_is_may_say_so(
    simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    raw.chat(model, max_tokens=1, headers=("content-encoding: Identity",))
    assert raw.read().status == 200


@pytest.mark.parametrize(
    "header", ["authorization: Bearer x", "content-encoding: identity"]
)
def test_what_is_said_twice_is_not_chosen_from(
    gateway: RunningGateway, model: str, raw: RawClient, header: str
) -> None:
    raw.chat(model, headers=(header,) * 2)
    answer = raw.read()
    assert answer.status == 400
    assert "more than once" in answer.json["error"]["message"]
    assert not gateway.meter.admissions


def test_the_number_of_headers_is_bounded(raw: RawClient) -> None:
    lines = [b"GET /healthz HTTP/1.1", b"host: x"]
    lines += [b"a%d: b" % number for number in range(HEADERS_MAX - 1)]
    raw.sock.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
    assert raw.read().status == 200
    raw.sock.sendall(b"\r\n".join([*lines, b"one: more"]) + b"\r\n\r\n")
    answer = raw.read()
    assert (answer.status, answer.header("connection")) == (400, "close")
    assert str(HEADERS_MAX) in answer.json["error"]["message"]


def test_a_body_that_drips_ends_the_connection() -> None:
    with running_gateway(body_grace_s=0.2) as gateway:
        for first in (b"", b"{"):
            with RawClient(gateway.port, gateway.key) as raw:
                raw.sock.sendall(_head(gateway, length=1000) + first)
                assert raw.read_to_end().status == 0
        wait_until(lambda: not gateway.server.server_state.tasks)
        assert not gateway.meter.admissions


def test_a_body_that_comes_slowly_but_surely_is_waited_for(
    simulator: RunningSimulator,
) -> None:
    with running_gateway(body_grace_s=0.05) as gateway:
        model = gateway.serve(simulator.base_url, upstream_model="sim")
        body = b'{"model":"%b","messages":[{"role":"user","content":"%b"}]}' % (
            model.encode(),
            b"a " * 4000,
        )
        with RawClient(gateway.port, gateway.key) as raw:
            raw.sock.sendall(_head(gateway, length=len(body)) + body[:-1])
            # Over several looks at its pace.
            until = time.monotonic() + 0.4
            wait_until(lambda: time.monotonic() > until)
            raw.sock.sendall(body[-1:])
            assert raw.read().status == 200


def _head(gateway: RunningGateway, *, length: int) -> bytes:
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer "
        b"%b\r\ncontent-length: %d\r\n\r\n" % (gateway.key.encode(), length)
    )


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("The model `org/base-7b` has no tools.", "The model `{model}` has no tools."),
        ("org/base-7b: too long", "{model}: too long"),
        ("not org/base-7bx nor x/org/base-7b", "not org/base-7bx nor x/org/base-7b"),
    ],
)
def test_what_an_engine_calls_the_model_is_not_told(
    gateway: RunningGateway, raw: RawClient, told: str, shown: str
) -> None:
    def refuse(side: EngineSide) -> None:
        side.request()
        side.send(wire.whole({"error": {"message": told}}, status=400))

    with scripted_engine(refuse) as engine:
        model = gateway.serve(engine.url, upstream_model="org/base-7b")
        raw.chat(model)
        answer = raw.read()
    assert answer.json["error"]["message"] == shown.format(model=model)
