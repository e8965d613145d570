"""The HTTP surface: ids, methods, limits, probes, models, and what is not there."""

import json
import threading
from typing import Any

import pytest

from kit.contracts import EventStatus
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import (
    BODY_BYTES_MAX,
    RunningGateway,
    running_gateway,
)

CHAT = "/v1/chat/completions"
_CHUNKED = b"POST /v1/models HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


def ask(model: str, **fields: Any) -> dict[str, Any]:
    """Return the body of a short chat."""
    messages = [{"role": "user", "content": "one two"}]
    return {"model": model, "messages": messages, "max_tokens": 2} | fields


def test_every_answer_carries_its_own_request_id(
    gateway: RunningGateway, model: str
) -> None:
    client = gateway.client
    answers = [
        client.get("/healthz"),
        client.get("/readyz"),
        client.get("/metrics"),
        client.get("/v1/models"),
        client.get("/v1/models/none"),
        client.get("/v1/nothing"),
        client.get("/nothing"),
        client.get(CHAT),
        client.post(CHAT, content=b"{"),
        client.post(CHAT, json=ask("none")),
        client.post(CHAT, json=ask(model)),
        client.post(CHAT, json=ask(model, stream=True)),
        client.post(CHAT, json=ask(model), headers={"authorization": "no"}),
        client.post(CHAT, content=b" " * (BODY_BYTES_MAX + 1)),
    ]
    statuses = [answer.status_code for answer in answers]
    expected = [200, 200, 200, 200, 404, 404, 404, 405, 400, 404, 200, 200, 401, 413]
    assert statuses == expected
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    assert all(set(a.json()["error"]) == {"message", "type", "param", "code"}
               for a in answers if a.status_code >= 400)  # fmt: skip


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/models"])
def test_head_is_get_without_a_body(gateway: RunningGateway, path: str) -> None:
    assert gateway.client.head(path).status_code == 200
    assert gateway.client.head(path).content == b""
    refused = gateway.client.post(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")


def test_what_is_not_ready_says_what_is_missing(gateway: RunningGateway) -> None:
    gateway.readiness["database"] = False
    try:
        answer = gateway.client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "not ready", "checks": {"database": False}}
        assert gateway.client.get("/healthz").status_code == 200
    finally:
        gateway.readiness["database"] = True


def test_models_are_listed_that_are_priced_for_the_caller(
    gateway: RunningGateway,
) -> None:
    priced, unpriced = gateway.serve(), gateway.serve()
    gateway.meter.unpriced.add(unpriced)
    listed = gateway.client.get("/v1/models").json()
    names = [entry["id"] for entry in listed["data"]]
    assert priced in names
    assert unpriced not in names
    assert names == sorted(names)
    assert gateway.client.get(f"/v1/models/{priced}").json() == {
        "id": priced,
        "object": "model",
        "created": 1,
        "owned_by": "tollgate",
        "root": priced,
        "parent": None,
        "max_model_len": 32_768,
    }
    assert gateway.client.get(f"/v1/models/{unpriced}").status_code == 404


def test_a_model_without_a_price_is_not_called(
    gateway: RunningGateway, simulator: RunningSimulator, model: str
) -> None:
    gateway.meter.unpriced.add(model)
    refused = gateway.client.post(CHAT, json=ask(model))
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "model_not_priced"
    assert simulator.stats()["requests"] == 0


def test_while_nothing_can_be_recorded_nothing_is_taken(
    gateway: RunningGateway, simulator: RunningSimulator, model: str
) -> None:
    gateway.meter.is_away = True
    refused = gateway.client.post(CHAT, json=ask(model, stream=True))
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert simulator.stats()["requests"] == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_measured_as_it_comes(gateway: RunningGateway, chunked: bool) -> None:
    def parts() -> Any:
        for _ in range(BODY_BYTES_MAX // 65536 + 1):
            yield b" " * 65536

    content = parts() if chunked else b" " * (BODY_BYTES_MAX + 1)
    refused = gateway.client.post(CHAT, content=content)
    assert refused.status_code == 413
    assert refused.json()["error"]["code"] == "request_too_large"
    assert not gateway.meter.admissions


def test_a_body_of_the_largest_size_is_read(
    gateway: RunningGateway, model: str
) -> None:
    body = json.dumps(ask(model)).encode()
    filled = body + b" " * (BODY_BYTES_MAX - len(body))
    assert gateway.client.post(CHAT, content=filled).status_code == 200


def test_a_client_may_wait_to_be_told_to_go_on(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    raw.chat(model, max_tokens=1, headers=("expect: 100-continue",))
    assert raw.read().status == 100
    assert raw.read().status == 200


def test_the_model_bounds_an_answer_that_names_no_limit_and_refuses_a_larger_one(
    gateway: RunningGateway, simulator: RunningSimulator
) -> None:
    url = simulator.base_url
    name = gateway.serve(url, upstream_model="sim", max_output_tokens=9)
    body = ask(name)
    del body["max_tokens"]
    usage = gateway.client.post(CHAT, json=body).json()["usage"]
    assert usage["completion_tokens"] == 9
    refused = gateway.client.post(CHAT, json=ask(name, max_tokens=10))
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "max_tokens"


def test_a_bug_is_a_500_that_says_nothing(
    gateway: RunningGateway, raw: RawClient, model: str
) -> None:
    gateway.publish("replica", "9999", {
        "model": model, "name": "x", "url": "http://127.0.0.1:1", "state": "active",
        "dialect": "klingon", "upstream_model": "", "credential": "",
    })  # fmt: skip
    answers = [gateway.client.post(CHAT, json=ask(model)) for _ in range(2)]
    [broken] = [answer for answer in answers if answer.status_code == 500]
    assert broken.json()["error"]["code"] == "internal_error"
    assert "klingon" not in broken.text
    assert len(gateway.meter.voided) == 1


def test_the_metrics_tell_what_was_settled(gateway: RunningGateway, model: str) -> None:
    def value(name: str) -> float:
        page = gateway.client.get("/metrics").text
        lines = [line for line in page.splitlines() if line.startswith(name + " ")]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0

    tokens = 'tollgate_tokens_total{class="output",gateway="gateway-t"}'
    ended = 'tollgate_settled_total{gateway="gateway-t",status="ok"}'
    before = value(tokens), value(ended)
    assert gateway.client.post(CHAT, json=ask(model)).status_code == 200
    after = value(tokens), value(ended)
    assert (after[0] - before[0], after[1] - before[1]) == (2, 1)


def test_a_client_that_leaves_while_it_sends_leaves_nothing(
    gateway: RunningGateway, raw: RawClient
) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
    raw.sock.sendall(head.encode() + b"content-length: 100\r\n\r\n{")
    wait_until(lambda: gateway.server.server_state.tasks)
    raw.leave()
    wait_until(lambda: not gateway.server.server_state.tasks)
    assert not gateway.meter.admissions


def test_a_drain_ends_what_runs_and_says_so(
    gateway: RunningGateway, simulator: RunningSimulator, model: str
) -> None:
    simulator.change(inter_token_ms=20, answer_tokens=10_000)
    with (
        RawClient(gateway.port, gateway.key) as begun,
        RawClient(gateway.port, gateway.key) as waiting,
    ):
        begun.chat(model, stream=True)
        begun.read_text(" t2 ")
        simulator.change(first_token_ms=600_000)
        waiting.chat(model)
        simulator.await_stats(lambda stats: stats["running"] == 2)
        gateway.run(gateway.live.drain)
        cut, refused = begun.read(), waiting.read()

    assert not cut.is_done
    assert cut.chunks[-1]["error"]["code"] == "service_unavailable"
    assert (refused.status, refused.header("retry-after")) == (503, "1")
    simulator.await_stats(lambda stats: stats["aborted"] == 2)
    statuses = {outcome.status for outcome in gateway.meter.outcomes}
    assert statuses == {EventStatus.DRAINED}
    [output] = [o.counts for o in gateway.meter.outcomes if o.counts.output_tokens]
    assert output.output_tokens == cut.text.count(" t")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nx: ",
        b"GET /healthz HTTP/1.1\r\n",
        b"GET /",
        _CHUNKED + b"0\r\n",
        _CHUNKED + b"1;",
    ],
    ids=["a value", "headers", "a target", "trailers", "an extension"],
)
def test_what_is_no_body_has_a_bound(raw: RawClient, head: bytes) -> None:
    filler = b"a: b\r\n" * 50_000 if head.endswith(b"\r\n") else b"a" * 300_000
    raw.sock.sendall(head)
    with pytest.raises(ConnectionError):
        raw.sock.sendall(filler * 60)


def test_small_chunks_are_no_endless_head(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    body = json.dumps(ask(model) | {"max_tokens": 1}).encode() + b" " * 20_000
    raw.sock.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
        b"transfer-encoding: chunked\r\n"
        b"authorization: Bearer "
        + gateway.key.encode()
        + b"\r\n\r\n"
        + b"".join(b"1\r\n%c\r\n" % byte for byte in body)
        + b"0\r\n\r\n"
    )
    assert raw.read().status == 200


def test_a_head_that_does_not_come_ends_the_connection() -> None:
    with running_gateway(head_s_max=0.2) as gateway:
        for start in (b"", b"GET /healthz HTTP/1.1\r\n"):
            with RawClient(gateway.port, gateway.key) as raw:
                raw.sock.sendall(start)
                assert raw.read_to_end().status == 0


def test_who_leaves_before_it_is_let_in_leaves_nothing(
    gateway: RunningGateway, caplog: pytest.LogCaptureFixture
) -> None:
    busy, go_on = threading.Event(), threading.Event()

    def keep_busy() -> None:
        busy.set()
        go_on.wait(10)

    gateway.loop.call_soon_threadsafe(keep_busy)
    assert busy.wait(10)
    for _ in range(20):
        RawClient(gateway.port, gateway.key).reset()
    go_on.set()
    gateway.run(lambda: None)
    wait_until(lambda: not gateway.server.server_state.connections)
    assert not [each for each in caplog.records if each.name == "asyncio"]


def test_nothing_behind_a_wish_to_upgrade_is_a_request(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    wish = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c")
    raw.post("/v1/models", b"GET /healthz HTTP/1.1\r\n\r\n", headers=wish)
    raw.read_to_end()
    assert [answer.status for answer in raw.answers] == [405]

    with RawClient(gateway.port, gateway.key) as again:
        again.chat(model, headers=wish)
        again.read_to_end()
        [answer] = again.answers
    assert "another protocol" in answer.json["error"]["message"]
    assert not gateway.meter.admissions
