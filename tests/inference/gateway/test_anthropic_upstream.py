"""An engine that speaks as Anthropic does, behind chats and behind messages.

It tells the length of a prompt first and of an answer last: who leaves in between pays
for the prompt as it was told, and for the text that it has by the model's tokenizer.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import orjson
import pytest
from anthropic import Anthropic

from inference.tokenizers.encodings import text_tokens
from kit.contracts import CountedBy, EventStatus, TokenCounts
from tests.inference.engines.scripted import (
    EngineSide,
    ScriptedEngine,
    scripted_engine,
)
from tests.inference.engines.wire import STREAM_END, STREAM_HEAD, chunk, whole
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.limited import quota
from tests.inference.gateway.polling import PATIENCE_S, wait_until
from tests.inference.gateway.running import RunningGateway

CAPTURES = Path(__file__).parents[2] / "captures" / "anthropic"
TOKENIZER = "cl100k_base"
CLAUDE = "claude-example-1"
HELLO: Any = [{"role": "user", "content": "hello you"}]
TOOLS_COUNTS = TokenCounts(input_tokens=572, cached_input_tokens=28, output_tokens=89)
WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": CLAUDE,
    "content": [{"type": "text", "text": "Good morning"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 25, "output_tokens": 4},
}


def events_of(name: str) -> list[bytes]:
    """Return the events of a stream that was written down."""
    blocks = (CAPTURES / f"{name}.sse").read_bytes().split(b"\n\n")[:-1]
    return [block + b"\n\n" for block in blocks]


def answering(name: str = "text") -> Any:
    """Return an engine of Anthropic's form that says what was written down."""

    def script(side: EngineSide) -> None:
        while request := side.request():
            if request.target == "/v1/messages/count_tokens":
                side.send(whole({"input_tokens": 14}))
            elif request.json.get("stream"):
                side.stream(*events_of(name))
                side.send(STREAM_END)
            else:
                side.send(whole(WHOLE))

    return script


def served(gateway: RunningGateway, engine: ScriptedEngine) -> str:
    """Publish a model that the engine serves under a name of its own."""
    return gateway.serve(
        engine.url, dialect="anthropic", upstream_model=CLAUDE, tokenizer=TOKENIZER
    )


@pytest.fixture
def sdk(gateway: RunningGateway) -> Iterator[Anthropic]:
    """Give Anthropic's SDK."""
    with Anthropic(
        base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=PATIENCE_S
    ) as client:
        yield client


def test_a_chat_streamed_and_whole(gateway: RunningGateway) -> None:
    with scripted_engine(answering()) as engine:
        model = served(gateway, engine)
        chats = gateway.openai().chat.completions
        chunks = list(
            chats.create(
                model=model,
                messages=HELLO,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        said = chats.create(model=model, messages=HELLO, max_tokens=9)

    text = "".join(
        choice.delta.content or "" for each in chunks for choice in each.choices
    )
    assert text == "Good morning – ça va?"
    assert {each.model for each in chunks} == {said.model} == {model}
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 15
    assert said.choices[0].message.content == "Good morning"
    assert [outcome.counts for outcome in gateway.meter.outcomes] == [
        TokenCounts(input_tokens=25, output_tokens=15),
        TokenCounts(input_tokens=25, output_tokens=4),
    ]
    assert all(o.counted_by is CountedBy.ENGINE for o in gateway.meter.outcomes)
    assert engine.requests[0].target == "/v1/messages"
    assert engine.requests[0].json["max_tokens"] == 4096
    assert engine.requests[1].json["max_tokens"] == 9
    assert engine.requests[0].header("anthropic-version") == "2023-06-01"


def test_messages_pass_through_with_all_that_was_said(
    gateway: RunningGateway, sdk: Anthropic
) -> None:
    with (
        scripted_engine(answering("tools")) as engine,
        sdk.messages.stream(
            model=served(gateway, engine), messages=HELLO, max_tokens=99
        ) as stream,
    ):
        message = stream.get_final_message()

    text, first, second = message.content
    assert text.type == "text"
    assert text.text == "I look it up."
    assert first.type == second.type == "tool_use"
    assert (first.name, first.input) == ("get_weather", {"city": "Nice"})
    assert (second.name, second.input) == ("get_time", {})
    assert message.stop_reason == "tool_use"
    assert message.usage.input_tokens == 572
    assert message.usage.cache_read_input_tokens == 28
    assert [outcome.counts for outcome in gateway.meter.outcomes] == [TOOLS_COUNTS]


def test_who_leaves_pays_for_the_prompt_and_for_the_text_it_has(
    gateway: RunningGateway, raw: RawClient
) -> None:
    begun = events_of("text")[:4]

    def script(side: EngineSide) -> None:
        side.request()
        side.send(STREAM_HEAD, *map(chunk, begun))
        side.wait_until_left()

    with scripted_engine(script) as engine:
        model = served(gateway, engine)
        raw.chat(model, stream=True)
        raw.read_text("Good ")
        raw.leave()
        assert engine.left.wait(10)
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

    assert outcome.status is EventStatus.CLIENT_GONE
    assert outcome.counted_by is CountedBy.TOKENIZER
    assert outcome.counts == TokenCounts(
        input_tokens=25, output_tokens=text_tokens(TOKENIZER, "Good ")
    )


@pytest.mark.parametrize("failing", ["overloaded", "dies"])
def test_an_engine_that_fails_in_mid_stream(
    gateway: RunningGateway, sdk: Anthropic, failing: str
) -> None:
    def script(side: EngineSide) -> None:
        side.request()
        events = events_of("overloaded")
        side.stream(*(events if failing == "overloaded" else events[:-1]))

    with scripted_engine(script) as engine:
        model = served(gateway, engine)
        said: list[str] = []
        with (
            sdk.messages.stream(model=model, messages=HELLO, max_tokens=9) as stream,
            pytest.raises(anthropic.APIError) as raised,
        ):
            said.extend(stream.text_stream)
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

    assert said == ["Hel"]
    kind = "overloaded_error" if failing == "overloaded" else "api_error"
    assert kind in str(raised.value)
    assert outcome.status is EventStatus.ENGINE_ERROR
    assert outcome.counts == TokenCounts(
        input_tokens=25, output_tokens=text_tokens(TOKENIZER, "Hel")
    )


def test_an_engine_that_dies_before_its_first_word_bills_nothing(
    gateway: RunningGateway, raw: RawClient
) -> None:
    def script(side: EngineSide) -> None:
        side.request()
        side.stream(*events_of("text")[:3])

    with scripted_engine(script) as engine:
        raw.chat(served(gateway, engine), stream=True)
        answer = raw.read()

    assert answer.chunks[-1]["error"]["code"] == "engine_failed"
    assert not answer.is_done
    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert outcome.counts == TokenCounts()


def test_a_quota_that_ends_is_never_passed(
    gateway: RunningGateway, raw: RawClient
) -> None:
    with scripted_engine(answering()) as engine:
        model = served(gateway, engine)
        # Its prompt is bounded first, and its text byte by byte until it is counted.
        place = quota(gateway, "output_tokens", 12)
        raw.chat(model, stream=True)
        answer = raw.read()
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

    assert answer.chunks[-1]["error"]["code"] == "insufficient_quota"
    assert outcome.status is EventStatus.BUDGET_EXHAUSTED
    assert answer.text == "Good "
    assert outcome.counts == TokenCounts(
        input_tokens=25, output_tokens=text_tokens(TOKENIZER, "Good ")
    )
    assert gateway.meter.budgets.posted[place] == outcome.counts.output_tokens <= 12


def test_near_the_end_of_a_quota_an_answer_at_once_is_put_together(
    gateway: RunningGateway, sdk: Anthropic
) -> None:
    with scripted_engine(answering()) as engine:
        model = served(gateway, engine)
        place = quota(gateway, "output_tokens", 12)
        asked = sdk.messages.with_raw_response
        raw = asked.create(model=model, messages=HELLO, max_tokens=99)

    message = raw.parse()
    assert raw.headers["x-tollgate-ended"] == "insufficient_quota"
    assert engine.requests[0].json["stream"]
    assert message.stop_reason == "max_tokens"
    [block] = message.content
    assert block.type == "text"
    assert block.text == "Good "
    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert message.usage.output_tokens == outcome.counts.output_tokens
    assert gateway.meter.budgets.posted[place] == outcome.counts.output_tokens <= 12


def test_a_refusal_is_passed_on_and_what_is_ours_is_not(
    gateway: RunningGateway, sdk: Anthropic
) -> None:
    errors = iter(
        [
            (400, "invalid_request_error", "temperature: must be at most 1"),
            (401, "authentication_error", "invalid x-api-key"),
            (529, "overloaded_error", "Overloaded"),
        ]
    )

    def script(side: EngineSide) -> None:
        while side.request():
            status, kind, message = next(errors)
            error = {"type": kind, "message": message}
            side.send(whole({"type": "error", "error": error}, status=status))

    with scripted_engine(script) as engine:
        asked: Any = {
            "model": served(gateway, engine),
            "messages": HELLO,
            "max_tokens": 9,
        }
        with pytest.raises(anthropic.BadRequestError, match="temperature"):
            sdk.messages.create(**asked)
        with pytest.raises(anthropic.InternalServerError) as ours:
            sdk.messages.create(**asked)
        with pytest.raises(anthropic.InternalServerError) as overloaded:
            sdk.messages.create(**asked)
    assert (ours.value.status_code, overloaded.value.status_code) == (502, 503)
    assert "x-api-key" not in str(ours.value)
    assert not gateway.meter.outcomes


def test_what_it_has_no_words_for_never_reaches_it(gateway: RunningGateway) -> None:
    with scripted_engine(answering()) as engine:
        model = served(gateway, engine)
        with pytest.raises(openai.BadRequestError) as refused:
            gateway.openai().chat.completions.create(
                model=model, messages=HELLO, seed=1
            )
    assert refused.value.param == "seed"
    assert not engine.requests
    assert len(gateway.meter.voided) == 1


def test_it_counts_prompts_by_itself(gateway: RunningGateway, sdk: Anthropic) -> None:
    with scripted_engine(answering()) as engine:
        model = served(gateway, engine)
        counted = sdk.messages.count_tokens(
            model=model, messages=HELLO, system="be brief"
        )
    assert counted.input_tokens == 14
    [request] = engine.requests
    assert orjson.loads(request.body)["system"] == [
        {"type": "text", "text": "be brief"}
    ]
