"""A stream on its way: bytes at once, usage hidden, the end held until the commit."""

from typing import Any

import pytest

from inference.engines.simulator.tokens import delivered_tokens
from kit.contracts import CountedBy, EventStatus, Surface, TokenCounts
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway


def test_a_stream_delivers_every_token_and_is_settled_as_counted(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    raw.chat(model, stream=True, max_tokens=50)
    answer = raw.read()

    assert answer.is_done
    assert delivered_tokens(answer.text) == 50
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    [(admission, outcome)] = gateway.meter.settled
    assert answer.header("x-request-id") == str(admission.request_id)
    assert (admission.surface, admission.streamed) == (Surface.CHAT_COMPLETIONS, True)
    assert (outcome.status, outcome.counted_by) == (EventStatus.OK, CountedBy.ENGINE)
    stats = simulator.stats()
    assert outcome.counts.input_tokens == stats["prompt_tokens"]
    assert outcome.counts.output_tokens == stats["generation_tokens"] == 50
    assert outcome.generated_tokens == 50
    assert outcome.first_token_us is not None
    assert 0 < outcome.first_token_us <= outcome.duration_us


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize(
    ("options", "final", "running"),
    [
        (None, False, False),
        ({"include_usage": False}, False, False),
        ({"include_usage": True}, True, False),
        ({"include_usage": False, "continuous_usage_stats": True}, False, False),
        ({"include_usage": True, "continuous_usage_stats": True}, True, True),
    ],
)
def test_usage_is_shown_as_asked_and_counted_all_the_same(
    gateway: RunningGateway,
    model: str,
    raw: RawClient,
    path: str,
    options: dict[str, bool] | None,
    final: bool,
    running: bool,
) -> None:
    asked = {"messages": [{"role": "user", "content": "a b"}]}
    body: dict[str, Any] = {"model": model, "stream": True, "max_tokens": 5, "n": 3}
    body |= {"prompt": "a b"} if path == "/v1/completions" else asked
    raw.post(path, body | ({"stream_options": options} if options else {}))
    answer = raw.read()

    with_choices = [chunk for chunk in answer.chunks if chunk["choices"]]
    without = [chunk for chunk in answer.chunks if not chunk["choices"]]
    assert [("usage" in chunk) for chunk in with_choices] == [running] * len(
        with_choices
    )
    assert len(without) == final
    [outcome] = gateway.meter.outcomes
    assert outcome.counts.output_tokens == 15
    if final:
        assert without[0]["usage"]["completion_tokens"] == 15
        assert without[0]["usage"]["prompt_tokens"] == outcome.counts.input_tokens
    assert {chunk["model"] for chunk in answer.chunks} == {model}


@pytest.mark.parametrize("finish_with_text", [False, True])
def test_only_what_follows_the_last_token_waits_for_the_commit(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    finish_with_text: bool,
) -> None:
    simulator.change(finish_with_text=finish_with_text)
    gateway.meter.hold_commits()
    raw.chat(model, stream=True, max_tokens=8, stream_options={"include_usage": True})

    early = raw.read_until(lambda answer: answer.text.endswith(" t8"))
    wait_until(lambda: gateway.meter.settled)
    reasons = [
        choice["finish_reason"] for chunk in early.chunks for choice in chunk["choices"]
    ]
    assert set(reasons) == {None}
    assert b"[DONE]" not in early.body
    gateway.meter.release()
    whole = raw.read()
    assert whole.is_done
    assert delivered_tokens(whole.text) == 8
    assert [
        choice["finish_reason"] for chunk in whole.chunks for choice in chunk["choices"]
    ][-1] == "length"


def test_a_stream_whose_end_cannot_be_recorded_ends_with_an_error(
    gateway: RunningGateway, model: str, raw: RawClient
) -> None:
    gateway.meter.hold_commits()
    raw.chat(model, stream=True, max_tokens=3)
    raw.read_text(" t3")
    wait_until(lambda: gateway.meter.settled)
    gateway.meter.give_up()
    answer = raw.read()

    assert not answer.is_done
    assert answer.chunks[-1]["error"]["code"] == "service_unavailable"
    assert gateway.meter.outcomes[0].counts.output_tokens == 3
    assert not gateway.meter.corrections


def test_a_connection_carries_one_answer_after_another(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    for tokens in (1, 5, 2):
        raw.chat(model, stream=True, max_tokens=tokens)
        assert delivered_tokens(raw.read().text) == tokens
    outputs = [outcome.counts.output_tokens for outcome in gateway.meter.outcomes]
    assert outputs == [1, 5, 2]


def test_the_engine_is_asked_for_usage_by_our_id_and_its_own_name_of_the_model(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    raw.chat(model, stream=True, max_tokens=1, headers=("x-request-id: theirs",))
    answer = raw.read()

    [admission] = gateway.meter.admissions
    assert answer.chunks[0]["id"] == f"chatcmpl-{admission.request_id.hex}-0"


def test_an_engine_that_reports_at_the_end_only_is_counted_at_the_end(
    gateway: RunningGateway, simulator: RunningSimulator, raw: RawClient
) -> None:
    url = simulator.base_url
    plain = gateway.serve(url, upstream_model="sim", dialect="openai")
    raw.chat(plain, stream=True, max_tokens=9)
    answer = raw.read()
    assert answer.is_done
    assert not any("usage" in chunk for chunk in answer.chunks)
    simulator.change(inter_token_ms=5, answer_tokens=20_000)
    raw.chat(plain, stream=True)
    raw.read_text(" t3 ")
    raw.leave()
    simulator.await_stats(lambda stats: stats["aborted"] == 1)

    wait_until(lambda: len(gateway.meter.outcomes) == 2)
    whole, left = gateway.meter.outcomes
    assert (whole.status, whole.counts.output_tokens) == (EventStatus.OK, 9)
    # Nobody has counted what was delivered, and a guess is not billed.
    assert (left.status, left.counted_by) == (EventStatus.CLIENT_GONE, CountedBy.NONE)
    assert left.counts == TokenCounts()
