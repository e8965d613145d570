"""Faults on demand: each strikes where it was told to, and is counted as it was."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from inference.engines.simulator.faults import FAULTS
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    open_chat,
    running_simulator,
)
from tests.inference.engines.simulator.spoilt import (
    FIN,
    OPEN,
    RST,
    VERSION_REQUEST,
    Ending,
    Stream,
    read_both,
    read_to_its_end,
    read_what_has_come,
    stream_of,
)

TOKENS = 20
PROMPT = 10
USAGE = {"include_usage": True, "continuous_usage_stats": True}
ENDS = {
    "die": FIN,
    "reset": RST,
    "half_event": FIN,
    "hang": OPEN,
    "early_end": OPEN,
    "engine_error": OPEN,
    "abort": OPEN,
}
GOES_ON = sorted(set(FAULTS) - set(ENDS))
AT = [0, 1, 7, TOKENS - 1, TOKENS]


@pytest.fixture(scope="module")
def _shared() -> Iterator[RunningSimulator]:
    """Run one simulator for the module."""
    with running_simulator() as running:
        yield running


@pytest.fixture
def simulator(_shared: RunningSimulator) -> Iterator[RunningSimulator]:
    """Give the module's simulator, without a fault before and after."""
    yield _shared
    _shared.change(fault="", fault_after_tokens=0, fault_times=0, inter_token_ms=0)
    _shared.change(finish_with_text=False)


def faulty(simulator: RunningSimulator, fault: str, **fields: Any) -> Ending:
    """Post a chat that meets `fault`; return what came, as far as it came."""
    after = fields.pop("after", 0)
    simulator.change(fault=fault, fault_after_tokens=after, fault_times=1)
    body = {"max_tokens": TOKENS} | fields
    if body.get("stream"):
        body = {"stream_options": USAGE} | body
    if fault != "hang":
        with open_chat(simulator.port, then=VERSION_REQUEST, **body) as connection:
            return read_both(connection)
    before = simulator.stats()["faults"]
    with open_chat(simulator.port, **body) as connection:
        # What was written before the fault was counted is in the socket by now.
        simulator.await_stats(lambda stats: stats["faults"] > before)
        return read_what_has_come(connection)


def streamed(
    simulator: RunningSimulator, fault: str, **fields: Any
) -> tuple[Ending, Stream]:
    """Post a streamed chat that meets `fault`; return how it ended, and the stream."""
    ending = faulty(simulator, fault, stream=True, **fields)
    assert ending.head.startswith(b"HTTP/1.1 200 OK")
    return ending, stream_of(ending)


@pytest.mark.parametrize("after", AT)
@pytest.mark.parametrize("fault", list(ENDS))
def test_a_stream_ends_after_exactly_so_many_tokens(
    simulator: RunningSimulator, fault: str, after: int
) -> None:
    before = simulator.stats()
    ending, stream = streamed(simulator, fault, after=after)
    assert ending.how == ENDS[fault]
    assert stream.delivered() == after
    assert stream.whole is (fault in ("early_end", "engine_error", "abort"))
    assert stream.done is (fault in ("engine_error", "abort"))
    assert stream.finish_reasons == (["abort"] if fault == "abort" else [])
    assert not stream.rest
    stats = simulator.await_stats(lambda stats: stats["open"] == 0)
    assert stats["generation_tokens"] - before["generation_tokens"] == after
    counted = PROMPT if after or fault == "abort" else 0
    assert stats["prompt_tokens"] - before["prompt_tokens"] == counted
    assert stats["faults"] - before["faults"] == 1
    assert stats["aborted"] - before["aborted"] == (fault == "hang")
    assert (stats["running"], stats["sequences_running"]) == (0, 0)


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 5, 30])
@pytest.mark.parametrize("fault", ["die", "abort"])
def test_tokens_count_over_all_choices(
    simulator: RunningSimulator, fault: str, after: int
) -> None:
    before = simulator.stats()
    _, stream = streamed(simulator, fault, after=after, n=3)
    told = [stream.delivered(index) for index in range(3)]
    assert sum(told) == after
    assert max(told) - min(told) <= 1
    stats = simulator.await_stats(lambda stats: stats["open"] == 0)
    assert stats["generation_tokens"] - before["generation_tokens"] == after
    if fault == "abort":
        assert stream.finish_reasons == ["abort"] * 3
        assert stream.usages[-1]["completion_tokens"] == after


def test_an_abort_between_two_ends_ends_each_choice_once(
    simulator: RunningSimulator,
) -> None:
    simulator.change(finish_with_text=True)
    _, stream = streamed(simulator, "abort", after=2 * TOKENS - 1, n=2)
    assert sorted(stream.finish_reasons) == ["abort", "length"]
    assert stream.usages[-1]["completion_tokens"] == 2 * TOKENS - 1


def test_an_answer_shorter_than_the_fault_stays_whole(
    simulator: RunningSimulator,
) -> None:
    before = simulator.stats()
    ending, stream = streamed(simulator, "reset", after=TOKENS + 1)
    assert (ending.how, stream.done, stream.delivered()) == (OPEN, True, TOKENS)
    assert simulator.stats()["faults"] == before["faults"]


def test_an_engine_error_is_an_event_with_vllms_words(
    simulator: RunningSimulator,
) -> None:
    _, stream = streamed(simulator, "engine_error", after=3)
    error = stream.events[-1]["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert (error["type"], error["code"]) == ("InternalServerError", 500)
    assert all(usage["completion_tokens"] <= 3 for usage in stream.usages)


def test_a_half_event_is_cut_inside_its_json(simulator: RunningSimulator) -> None:
    _, stream = streamed(simulator, "half_event", after=3)
    last = stream.payloads[-1]
    assert last.startswith(b"data: {")
    assert not last.endswith(b"\n\n")


@pytest.mark.parametrize("after", AT)
@pytest.mark.parametrize("fault", ["garbage", "cut_utf8"])
def test_a_spoilt_event_does_not_stop_the_stream(
    simulator: RunningSimulator, fault: str, after: int
) -> None:
    ending, stream = streamed(simulator, fault, after=after)
    assert (ending.how, stream.done, stream.delivered()) == (OPEN, True, TOKENS)
    honest = TOKENS + 4
    (spoilt,) = [
        payload for payload in stream.payloads[:-1] if not _is_json_event(payload)
    ]
    assert len(stream.payloads) == honest + 1
    assert spoilt.startswith(b"data: ")
    assert spoilt.endswith(b"\n\n")
    if fault == "cut_utf8":
        with pytest.raises(UnicodeDecodeError):
            spoilt.decode()
        assert _is_json_event(spoilt.replace(b"\xe2\x82", b""))
    else:
        spoilt.decode()
    # Where it stands: after so many tokens, and the role before the first of them.
    assert stream.payloads.index(spoilt) == after + (1 if after else 0)


def _is_json_event(payload: bytes) -> bool:
    try:
        json.loads(payload.removeprefix(b"data: "))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("after", AT)
@pytest.mark.parametrize(
    "fault",
    [
        "no_usage",
        "wrong_usage",
        "wrong_usage_text",
        "wrong_usage_negative",
        "wrong_usage_missing",
        "falling_usage",
    ],
)
def test_usage_is_false_from_its_token_on(
    simulator: RunningSimulator, fault: str, after: int
) -> None:
    _, stream = streamed(simulator, fault, after=after)
    assert (stream.done, stream.delivered()) == (True, TOKENS)
    assert stream.finish_reasons == ["length"]
    honest = after + 1 if after else 0
    assert [usage["completion_tokens"] for usage in stream.usages[:honest]] == list(
        range(honest)
    )
    lies = stream.usages[honest:]
    if fault == "no_usage":
        assert not lies
        return
    # The role, the tokens, the finish chunk, the final usage.
    assert len(stream.usages) == TOKENS + 3
    if fault == "falling_usage":
        counts = [usage["completion_tokens"] for usage in lies]
        falling = [max(0, after - fallen) for fallen in range(1, TOKENS - after + 1)]
        if after == 0:
            falling.insert(0, 0)
        finish = falling[-1] if falling else after
        assert counts == [*falling, finish, max(0, finish - 1)]
        return
    for usage in lies:
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            assert _is_false(fault, usage.get(name)), usage


def _is_false(fault: str, value: object) -> bool:
    match fault:
        case "wrong_usage":
            return type(value) is float and not value.is_integer()
        case "wrong_usage_text":
            return type(value) is str
        case "wrong_usage_negative":
            return type(value) is int and value < 0
        case _:
            return value is None


def test_usage_stays_away_where_it_was_not_asked_for(
    simulator: RunningSimulator,
) -> None:
    _, stream = streamed(simulator, "wrong_usage", stream_options=None)
    assert stream.done
    assert stream.usages == []


def test_stray_bytes_follow_a_whole_answer(simulator: RunningSimulator) -> None:
    ending, stream = streamed(simulator, "stray_bytes")
    assert (ending.how, stream.done, stream.whole) == (OPEN, True, True)
    assert stream.rest.startswith(b"HTTP/1.1 200 OK\r\n")
    whole = faulty(simulator, "stray_bytes")
    assert whole.received.count(b"HTTP/1.1 200 OK\r\n") == 2


@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_is_a_503_in_vllms_shape(
    simulator: RunningSimulator, stream: bool
) -> None:
    before = simulator.stats()
    ending = faulty(simulator, "refuse", after=5, stream=stream)
    assert ending.head.startswith(b"HTTP/1.1 503 Service Unavailable")
    error = json.loads(ending.body)["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert error["code"] == 503
    after = simulator.stats()
    assert after["faults"] == before["faults"] + 1
    assert after["requests"] == before["requests"]


@pytest.mark.parametrize("stream", [True, False])
def test_an_early_reset_sends_no_byte(
    simulator: RunningSimulator, stream: bool
) -> None:
    assert faulty(simulator, "reset_early", stream=stream) == Ending(b"", RST)
    assert simulator.stats()["open"] == 0


@pytest.mark.parametrize("stream", [True, False])
def test_a_silent_engine_takes_the_request_and_sends_no_byte(
    simulator: RunningSimulator, stream: bool
) -> None:
    before = simulator.stats()
    simulator.change(fault="silent", fault_times=1)
    with open_chat(simulator.port, stream=stream) as connection:
        stats = simulator.await_stats(lambda stats: stats["open"] == 1)
        assert read_what_has_come(connection) == Ending(b"", OPEN)
        assert (stats["open"], stats["running"]) == (1, 0)
        assert stats["requests"] == before["requests"] + 1
    stats = simulator.await_stats(lambda stats: stats["open"] == 0)
    assert stats["aborted"] == before["aborted"] + 1
    assert stats["prompt_tokens"] == before["prompt_tokens"]


def test_a_hanging_stream_is_open_until_its_client_leaves(
    simulator: RunningSimulator,
) -> None:
    simulator.change(fault="hang", fault_after_tokens=4, fault_times=1)
    before = simulator.stats()["faults"]
    with open_chat(simulator.port, stream=True) as connection:
        stats = simulator.await_stats(lambda stats: stats["faults"] > before)
        assert stream_of(read_what_has_come(connection)).delivered() == 4
        assert (stats["open"], stats["running"], stats["sequences_running"]) == (
            1,
            1,
            1,
        )
    stats = simulator.await_stats(lambda stats: stats["connections"] == 1)
    assert (stats["open"], stats["running"]) == (0, 0)


@pytest.mark.parametrize(
    ("fault", "how"),
    [("die", FIN), ("half_event", FIN), ("reset", RST), ("hang", OPEN)],
)
def test_a_whole_answer_breaks_off_at_its_middle(
    simulator: RunningSimulator, fault: str, how: str
) -> None:
    ending = faulty(simulator, fault, after=5)
    assert ending.how == how
    announced = _content_length(ending)
    assert len(ending.body) == announced // 2
    assert simulator.await_stats(lambda stats: stats["open"] == 0)["running"] == 0


def test_a_whole_answer_is_spoilt(simulator: RunningSimulator) -> None:
    def body(fault: str) -> bytes:
        ending = faulty(simulator, fault, after=5)
        assert (ending.how, ending.head[:15]) == (OPEN, b"HTTP/1.1 200 OK")
        assert len(ending.body) == _content_length(ending)
        return ending.body

    for fault in ("garbage", "early_end"):
        with pytest.raises(json.JSONDecodeError):
            json.loads(body(fault))
    with pytest.raises(UnicodeDecodeError):
        body("cut_utf8").decode()
    assert "usage" not in json.loads(body("no_usage"))
    assert json.loads(body("wrong_usage_text"))["usage"]["prompt_tokens"] == "10"
    assert json.loads(body("wrong_usage_negative"))["usage"]["prompt_tokens"] < 0
    assert "prompt_tokens" not in json.loads(body("wrong_usage_missing"))["usage"]
    falling = json.loads(body("falling_usage"))["usage"]
    assert falling["completion_tokens"] == TOKENS - 1
    assert falling["total_tokens"] == PROMPT + TOKENS - 1
    aborted = json.loads(body("abort"))
    assert aborted["choices"][0]["finish_reason"] == "abort"


def test_a_whole_answer_of_a_dead_engine_is_a_500(simulator: RunningSimulator) -> None:
    ending = faulty(simulator, "engine_error")
    assert ending.head.startswith(b"HTTP/1.1 500 Internal Server Error")
    assert json.loads(ending.body)["error"]["code"] == 500


def _content_length(ending: Ending) -> int:
    (line,) = [
        line
        for line in ending.head.split(b"\r\n")
        if line.startswith(b"content-length")
    ]
    return int(line.partition(b":")[2])


@pytest.mark.parametrize("fault", sorted(set(ENDS) - {"hang"}))
def test_a_fault_meets_so_many_requests_and_then_none(
    simulator: RunningSimulator, fault: str
) -> None:
    simulator.change(fault=fault, fault_after_tokens=2, fault_times=2)
    for left in (1, 0):
        with open_chat(simulator.port, then=VERSION_REQUEST, stream=True) as connection:
            ending = read_both(connection)
        assert stream_of(ending).delivered() == 2
        shown = simulator.client.get("/simulator/settings").json()
        assert (shown["fault"], shown["fault_times"]) == (fault if left else "", left)
    assert simulator.chat().status_code == 200


def test_a_fault_without_times_meets_every_request(simulator: RunningSimulator) -> None:
    simulator.change(fault="refuse")
    assert [simulator.chat().status_code for _ in range(4)] == [503] * 4
    assert simulator.client.get("/health").status_code == 200
    assert simulator.client.post("/tokenize", json={"prompt": "a"}).status_code == 200


def test_a_request_that_cannot_be_served_uses_up_no_fault(
    simulator: RunningSimulator,
) -> None:
    simulator.change(fault="refuse", fault_times=1)
    assert simulator.chat(max_tokens=-1).status_code == 400
    assert simulator.chat().status_code == 503
    assert simulator.chat().status_code == 200


def test_only_the_tokenizer_may_refuse(simulator: RunningSimulator) -> None:
    simulator.change(fault="tokenize_refuse", fault_times=1)
    assert simulator.chat().status_code == 200
    assert simulator.client.post("/tokenize", json={"prompt": ""}).status_code == 503
    assert simulator.client.post("/tokenize", json={"prompt": ""}).status_code == 200


def test_nothing_is_answered_after_a_reset(simulator: RunningSimulator) -> None:
    simulator.change(fault="reset", fault_after_tokens=3, fault_times=1)
    simulator.change(inter_token_ms=50)
    before = simulator.stats()["requests"]
    with open_chat(simulator.port, stream=True) as connection:
        connection.sendall(b"GET /version HTTP/1.1\r\n\r\n")
        ending = read_to_its_end(connection)
    assert ending.how == RST
    assert b'"version"' not in ending.received
    assert simulator.stats()["requests"] == before + 1


@pytest.mark.parametrize("fault", ["reset_early", "die"])
def test_a_request_behind_a_connection_that_was_given_up_is_not_taken(
    simulator: RunningSimulator, fault: str
) -> None:
    before = simulator.stats()["requests"]
    simulator.change(fault=fault, fault_times=1)
    body = b'{"prompt":"a"}'
    second = (
        b"POST /v1/completions HTTP/1.1\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )
    with open_chat(simulator.port, then=second, stream=True) as connection:
        read_to_its_end(connection)
    assert simulator.stats()["requests"] == before + (fault == "die")


def test_a_reset_waits_for_what_the_client_has_not_read_yet() -> None:
    # A long name makes long events: far more than the kernel buffers for a socket.
    faults: dict[str, Any] = {"fault": "reset", "fault_after_tokens": 100}
    with (
        running_simulator(model="m" * 100_000, **faults) as simulator,
        simulator.open_chat(stream=True, max_tokens=200) as connection,
    ):
        simulator.await_stats(lambda stats: stats["faults"] == 1)
        ending = read_to_its_end(connection)
    assert (ending.how, stream_of(ending).delivered()) == (RST, 100)


def test_completions_meet_faults_too(simulator: RunningSimulator) -> None:
    simulator.change(fault="cut_utf8", fault_after_tokens=3, fault_times=1)
    body = {"prompt": "a", "max_tokens": 5, "stream": True}
    answer = simulator.client.post("/v1/completions", json=body)
    assert answer.content.count(b'"text":"\xe2\x82"') == 1
    assert answer.content.count(b"data: ") == 5 + 1 + 1 + 1


def test_a_completion_that_dies_before_its_first_token_has_no_prompt(
    simulator: RunningSimulator,
) -> None:
    before = simulator.stats()
    simulator.change(fault="engine_error", fault_times=1)
    body = {"prompt": "a", "max_tokens": 5, "stream": True}
    answer = simulator.client.post("/v1/completions", json=body)
    assert answer.content.count(b"data: ") == 2
    assert simulator.stats()["prompt_tokens"] == before["prompt_tokens"]
