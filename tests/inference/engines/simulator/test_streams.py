"""Streams: what is sent, in which order, and what it proves."""

import socket
import time
from typing import Any

import httpx
import pytest

from inference.engines.simulator import delivered_tokens
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    events_of,
    running_simulator,
    text_of,
)

RUNNING_USAGE = {"include_usage": True, "continuous_usage_stats": True}


def stream(simulator: RunningSimulator, **fields: Any) -> list[dict[str, Any]]:
    """Return the events of a streamed chat."""
    return events_of(simulator.chat(stream=True, **fields).text)


def finish_reasons(events: list[dict[str, Any]]) -> list[str]:
    """Return the finish reasons in the order they came."""
    return [
        choice["finish_reason"]
        for event in events
        for choice in event["choices"]
        if choice["finish_reason"]
    ]


@pytest.mark.parametrize("tokens", [1, 2, 9, 10, 11, 1000])
def test_every_token_is_one_event(simulator: RunningSimulator, tokens: int) -> None:
    events = stream(simulator, max_tokens=tokens)
    role, *middle, finish = events
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [event["choices"][0]["delta"]["content"] for event in middle] == [
        f" t{number}" for number in range(1, tokens + 1)
    ]
    assert finish["choices"][0]["delta"] == {"content": ""}
    assert finish_reasons(events) == ["length"]
    assert delivered_tokens(text_of(events)) == tokens


def test_an_answer_without_a_limit_stops_by_itself(simulator: RunningSimulator) -> None:
    events = stream(simulator)
    assert delivered_tokens(text_of(events)) == 64
    assert finish_reasons(events) == ["stop"]


def test_no_usage_unless_asked(simulator: RunningSimulator) -> None:
    for options in (None, {"include_usage": False}, {"continuous_usage_stats": True}):
        events = stream(simulator, max_tokens=3, stream_options=options)
        assert len(events) == 5
        assert not any("usage" in event for event in events)


def test_final_usage_alone(simulator: RunningSimulator) -> None:
    options = {"include_usage": True}
    *events, last = stream(simulator, max_tokens=3, stream_options=options)
    assert not any("usage" in event for event in events)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 3
    assert last["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


def test_running_usage_counts_each_choice_and_the_end_sums_them(
    simulator: RunningSimulator,
) -> None:
    *events, last = stream(simulator, max_tokens=12, n=3, stream_options=RUNNING_USAGE)
    for index in range(3):
        counts = [
            event["usage"]["completion_tokens"]
            for event in events
            if event["choices"][0]["index"] == index
        ]
        assert counts == [0, *range(1, 13), 12]
        assert delivered_tokens(text_of(events, index=index)) == 12
    for event in [*events, last]:
        usage = event["usage"]
        assert usage["prompt_tokens"] == 10
        assert usage["total_tokens"] == 10 + usage["completion_tokens"]
    assert last["usage"]["completion_tokens"] == 36


def test_a_batch_of_prompts_has_their_own_counts(simulator: RunningSimulator) -> None:
    # The second prompt leaves room for two tokens only, so the choices end apart.
    simulator.change(context_tokens=10)
    answer = simulator.client.post(
        "/v1/completions",
        json={
            "prompt": ["a", "b " * 8],
            "max_tokens": 5,
            "stream": True,
            "stream_options": RUNNING_USAGE,
        },
    )
    *events, last = events_of(answer.text)
    for index, prompt, tokens in ((0, 1, 5), (1, 8, 2)):
        mine = [event for event in events if event["choices"][0]["index"] == index]
        assert delivered_tokens(text_of(mine, index=index)) == tokens
        assert {event["usage"]["prompt_tokens"] for event in mine} == {prompt}
        assert mine[-1]["choices"][0]["finish_reason"] == "length"
        assert mine[-1]["usage"]["completion_tokens"] == tokens
    assert last["usage"]["prompt_tokens"] == 9
    assert last["usage"]["completion_tokens"] == 7


def test_the_finish_chunk_may_carry_the_last_token() -> None:
    with running_simulator(finish_with_text=True) as simulator:
        events = stream(simulator, max_tokens=3, n=2)
        assert len(events) == 8
        for index in range(2):
            assert delivered_tokens(text_of(events, index=index)) == 3
        assert events[-1]["choices"][0]["delta"] == {"content": " t3"}
        assert finish_reasons(events) == ["length", "length"]


def test_usage_may_be_forced() -> None:
    with running_simulator(force_include_usage=True) as simulator:
        events = stream(simulator, max_tokens=3)
        assert [event["usage"]["completion_tokens"] for event in events] == [
            *(0, 1, 2, 3, 3),
            3,
        ]


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("given", ["gw-1", "50%d%%", 'quo"te\\'])
def test_a_request_id_becomes_the_answers_id(
    simulator: RunningSimulator, given: str, streamed: bool
) -> None:
    for path, prefix, body in (
        ("/v1/chat/completions", "chatcmpl-", {"messages": [{"content": "a"}]}),
        ("/v1/completions", "cmpl-", {"prompt": "a"}),
    ):
        answer = simulator.client.post(
            path,
            json=body | {"stream": streamed, "max_tokens": 2},
            headers={"x-request-id": given},
        )
        events = events_of(answer.text) if streamed else [answer.json()]
        assert {event["id"] for event in events} == {prefix + given}


def test_ids_differ_where_none_is_given(simulator: RunningSimulator) -> None:
    assert simulator.chat().json()["id"] != simulator.chat().json()["id"]


def test_a_strange_model_name_survives_the_templates() -> None:
    name = 'a%b"c\\d%%é'
    with running_simulator(model=name) as simulator:
        events = stream(simulator, max_tokens=2, model=name)
        assert {event["model"] for event in events} == {name}
        assert simulator.chat(model=name).json()["model"] == name
        assert 'model_name="a%b\\"c\\\\d%%é"' in simulator.client.get("/metrics").text


def test_tokens_come_when_due_and_the_head_at_once() -> None:
    with running_simulator(first_token_ms=60, inter_token_ms=10) as simulator:
        body = {"messages": [{"content": "a"}], "stream": True, "max_tokens": 20}
        started = time.monotonic()
        with simulator.client.stream(
            "POST", "/v1/chat/completions", json=body
        ) as answer:
            head_after = time.monotonic() - started
            arrivals = [time.monotonic() - started for _ in answer.iter_raw()]
        # Lower bounds only: a busy machine may be late, never early. Timers are whole
        # milliseconds, so each may be half of one early.
        assert arrivals[0] >= 0.059
        assert arrivals[-1] >= 0.060 + 19 * 0.010 - 0.001
        assert head_after < arrivals[0]
        assert simulator.chat(max_tokens=2).elapsed.total_seconds() >= 0.069


def test_pipelined_requests_are_answered_in_order(simulator: RunningSimulator) -> None:
    def request(number: int) -> bytes:
        body = b'{"prompt":"a","max_tokens":%d,"stream":true}' % number
        return (
            b"POST /v1/completions HTTP/1.1\r\ncontent-type: application/json\r\n"
            b"x-request-id: %d\r\ncontent-length: %d\r\n\r\n"
            % (number, len(body))
            + body
        )

    last = b"GET /version HTTP/1.1\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", simulator.port), 20) as connection:
        connection.sendall(request(40) + request(3) + last)
        received = b""
        while data := connection.recv(65536):
            received += data
    for number in (40, 3):
        assert received.count(b'"id":"cmpl-%d"' % number) == number + 1
    marks = [
        received.index(b'"id":"cmpl-3"'),
        received.rindex(b'"id":"cmpl-40"'),
        received.index(b'"version"'),
    ]
    assert marks[1] < marks[0] < marks[2]


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_request_may_come_in_pieces(simulator: RunningSimulator, pieces: int) -> None:
    body = b'{"prompt":"' + b"w " * 100 + b'","max_tokens":1}'
    whole = (
        b"POST /v1/completions?x=1 HTTP/1.1\r\n"
        b"content-type: application/json; charset=utf-8\r\n"
        b"expect: 100-continue\r\nconnection: close\r\n"
        b"content-length: %d\r\n\r\n" % len(body) + body
    )
    with socket.create_connection(("127.0.0.1", simulator.port), 20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(whole), pieces):
            connection.sendall(whole[start : start + pieces])
        received = b""
        while data := connection.recv(65536):
            received += data
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert b'"prompt_tokens":100' in received


def test_what_is_not_http_ends_the_connection(simulator: RunningSimulator) -> None:
    with socket.create_connection(("127.0.0.1", simulator.port), 20) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert connection.recv(100) == b""


def test_the_key_guards_v1_only() -> None:
    with running_simulator(api_key="secret") as simulator:
        assert simulator.chat().status_code == 200
        for headers in ({}, {"authorization": "Bearer wrong"}):
            with httpx.Client(base_url=simulator.base_url, headers=headers) as anyone:
                refused = anyone.get("/v1/models")
                assert (refused.status_code, refused.json()) == (
                    401,
                    {"error": "Unauthorized"},
                )
                assert anyone.get("/metrics").status_code == 200
                assert anyone.get("/health").status_code == 200
