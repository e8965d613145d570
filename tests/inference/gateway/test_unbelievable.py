"""What an engine says that cannot be: nobody pays for it, and nothing comes of it."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from kit.contracts import CountedBy, EventStatus, TokenCounts
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.wire import DONE, STREAM_END, answer, event, whole
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

EMBEDDED: dict[str, Any] = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "usage": {"prompt_tokens": 0, "total_tokens": 0},
}


@pytest.mark.parametrize("output", [19, 99_000_000])
def test_more_output_than_was_asked_for_is_not_billed(
    gateway: RunningGateway, raw: RawClient, output: int
) -> None:
    with scripted_engine(_answering(answer("hello", output=output))) as engine:
        raw.chat(gateway.serve(engine.url), max_tokens=10)
        assert raw.read().status == 502

    [outcome] = gateway.meter.outcomes
    assert outcome.status is EventStatus.ENGINE_ERROR
    assert outcome.counts == TokenCounts()


@pytest.mark.parametrize("stream", [True, False])
def test_a_prompt_that_no_context_holds_is_not_billed(
    gateway: RunningGateway, raw: RawClient, stream: bool
) -> None:
    usage = {"prompt_tokens": 2 * 32_768 + 1, "completion_tokens": 1}
    body = {**answer("hello", output=1), "usage": usage}
    chunks: list[dict[str, Any]] = [
        {"choices": [_choice({"content": "hello"})], "usage": usage},
        {"choices": [_choice({}, "stop")]},
        {"choices": [], "usage": usage},
    ]

    def script(side: EngineSide) -> None:
        if (request := side.request()) is None:
            return
        if request.json.get("stream"):
            side.stream(*map(event, chunks), DONE)
            side.send(STREAM_END)
        else:
            side.send(whole(body))

    with scripted_engine(script) as engine:
        raw.chat(gateway.serve(engine.url), stream=stream)
        assert raw.read().status == 502

    [outcome] = gateway.meter.outcomes
    assert outcome.counts == TokenCounts()


def test_text_of_no_tokens_is_not_handed_over(
    gateway: RunningGateway, raw: RawClient
) -> None:
    with scripted_engine(_answering(answer("hello", output=0))) as engine:
        raw.chat(gateway.serve(engine.url))
        assert raw.read().status == 502

    [outcome] = gateway.meter.outcomes
    assert outcome.counts == TokenCounts()


def test_an_empty_answer_of_no_tokens_is_one(
    gateway: RunningGateway, raw: RawClient
) -> None:
    with scripted_engine(_answering(answer("", output=0))) as engine:
        raw.chat(gateway.serve(engine.url))
        assert raw.read().status == 200


def test_a_prompt_of_no_tokens_is_counted_by_another(
    gateway: RunningGateway, raw: RawClient
) -> None:
    with scripted_engine(_answering(EMBEDDED, count=20)) as engine:
        model = gateway.serve(engine.url, tasks=("embedding",))
        raw.post("/v1/embeddings", {"model": model, "input": "a b"})
        assert raw.read().status == 200
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

    assert outcome.counts == TokenCounts(input_tokens=20)
    assert outcome.counted_by is CountedBy.TOKENIZER


def test_a_prompt_of_no_tokens_that_nobody_can_count_says_so(
    gateway: RunningGateway, raw: RawClient
) -> None:
    with scripted_engine(_answering(EMBEDDED)) as engine:
        model = gateway.serve(engine.url, tasks=("embedding",), dialect="openai")
        raw.post("/v1/embeddings", {"model": model, "input": "a b"})
        assert raw.read().status == 200
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

    assert outcome.counted_by is CountedBy.NONE


@pytest.mark.parametrize(
    ("most", "told"), [(None, 16), (100, 16), (9, 9)], ids=["none", "higher", "lower"]
)
@pytest.mark.parametrize("dialect", ["openai", "llamacpp", "ollama"])
def test_a_completion_that_names_no_length_has_the_api_s(
    gateway: RunningGateway, raw: RawClient, dialect: str, most: int | None, told: int
) -> None:
    with scripted_engine(
        _answering({}),
    ) as engine:
        model = gateway.serve(engine.url, dialect=dialect, max_output_tokens=most)
        raw.post("/v1/completions", {"model": model, "prompt": "a b"})
        raw.read()

    [request] = engine.requests
    options = request.json.get("options", {})
    assert request.json.get("max_tokens", options.get("num_predict")) == told


class TestNames:
    """What an engine calls its model, though it is not what it was asked for."""

    def test_a_version_s_name_is_not_shown(
        self, gateway: RunningGateway, raw: RawClient
    ) -> None:
        body = {**answer("hello", output=1), "model": "inside-2026-01-01"}
        with scripted_engine(_answering(body)) as engine:
            model = gateway.serve(engine.url, upstream_model="inside")
            raw.chat(model)
            answered = raw.read().json

        assert answered["model"] == model

    @pytest.mark.parametrize("path", ["chat/completions", "messages", "responses"])
    def test_nor_in_a_stream(
        self, gateway: RunningGateway, raw: RawClient, path: str
    ) -> None:
        frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1}
        chunks = [
            {**frame, "model": "inside-2026", **more}
            for more in (
                {"choices": [_choice({"role": "assistant", "content": ""})]},
                {"choices": [_choice({"content": "hello"})]},
                {"choices": [_choice({}, "stop")]},
                {
                    "choices": [],
                    "usage": {"prompt_tokens": 2, "completion_tokens": 1},
                },
            )
        ]

        def script(side: EngineSide) -> None:
            if side.request() is not None:
                side.stream(*map(event, chunks), DONE)
                side.send(STREAM_END)

        with scripted_engine(script) as engine:
            model = gateway.serve(engine.url, upstream_model="inside")
            raw.post(f"/v1/{path}", _asked(path, model))
            answered = raw.read()

        assert b"hello" in answered.body
        assert b"inside" not in answered.body
        assert b'"model":"%b"' % model.encode() in answered.body

    def test_nor_in_an_error_within_a_stream(
        self, gateway: RunningGateway, raw: RawClient
    ) -> None:
        fault = {"error": {"message": "'inside' takes no images", "code": 400}}

        def script(side: EngineSide) -> None:
            if side.request() is not None:
                side.stream(event(fault))
                side.send(STREAM_END)

        with scripted_engine(script) as engine:
            model = gateway.serve(engine.url, upstream_model="inside")
            raw.chat(model, stream=True)
            answered = raw.read()

        assert answered.status == 400
        assert f"'{model}' takes no images" in answered.json["error"]["message"]


def _asked(path: str, model: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": "hi"}]
    body: dict[str, Any] = {"model": model, "stream": True}
    if path == "responses":
        return {**body, "input": "hi"}
    return {**body, "messages": messages, "max_tokens": 9}


def _choice(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": reason}


def _answering(body: dict[str, Any], *, count: int = 0) -> Callable[[EngineSide], None]:
    """Answer with a body, and to whoever asks for a count with that."""

    def script(side: EngineSide) -> None:
        while (request := side.request()) is not None:
            told = {"count": count} if request.target == "/tokenize" else body
            side.send(whole(orjson.dumps(told)))

    return script
