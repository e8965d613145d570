"""The openai SDK asks for responses, and takes what it gets for what OpenAI sends."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import FunctionToolParam, ResponseInputItemParam
from pydantic import BaseModel

from inference.engines.simulator.tokens import delivered_tokens
from kit.contracts import EventStatus, Surface
from tests.inference.engines import wire
from tests.inference.engines.scripted import EngineSide, Request, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.limited import quota
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
    "strict": None,
}


class Town(BaseModel):
    """What is asked for in JSON."""

    name: str
    people: int


@pytest.fixture
def sdk(gateway: RunningGateway) -> OpenAI:
    """Give the SDK with a good key."""
    return gateway.openai()


def saying(*deltas: wire.Json, end: str = "stop") -> Callable[[EngineSide], None]:
    """Return a script that says these deltas, streamed or whole as it is asked to."""

    def events(request: Request) -> list[bytes]:
        if request.json.get("stream"):
            said = [
                wire.event(wire.chat_chunk(delta) | {"usage": wire.running(number)})
                for number, delta in enumerate(deltas, 1)
            ]
            last = wire.chat_chunk({}, reason=end)
            usage = wire.running(len(deltas))
            said += [wire.event(last | {"usage": usage}), wire.usage(len(deltas))]
            said.append(wire.DONE)
            parts = [wire.chunk(event) for event in said]
            return [wire.STREAM_HEAD, *parts, wire.STREAM_END]
        message: wire.Json = {"role": "assistant", "content": None}
        for delta in deltas:
            message |= delta
        body = wire.answer("", output=len(deltas))
        choice = {"index": 0, "message": message, "finish_reason": end}
        return [wire.whole(body | {"choices": [choice]})]

    def script(side: EngineSide) -> None:
        while (request := side.request()) is not None:
            side.send(*events(request))

    return script


def test_a_response_streamed_and_whole(
    gateway: RunningGateway, sdk: OpenAI, model: str
) -> None:
    whole = sdk.responses.create(model=model, input="hello you", max_output_tokens=7)
    *_, last = sdk.responses.create(
        model=model, input="hello you", max_output_tokens=7, stream=True
    )
    assert last.type == "response.incomplete"
    streamed = last.response

    assert whole.output_text == streamed.output_text
    assert delivered_tokens(whole.output_text) == 7
    assert whole.model == streamed.model == model
    for response in (whole, streamed):
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"
        assert response.usage is not None
        for admission, outcome in gateway.meter.settled:
            assert admission.surface is Surface.RESPONSES
            assert response.usage.output_tokens == outcome.counts.output_tokens
            assert response.usage.input_tokens == outcome.counts.input_tokens


def test_the_stream_helper_puts_a_response_together(
    simulator: RunningSimulator, sdk: OpenAI, model: str
) -> None:
    simulator.change(answer_tokens_max=5)
    text = ""
    with sdk.responses.stream(model=model, input="hello") as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
                assert event.snapshot == text
        response = stream.get_final_response()
    assert response.output_text == text
    assert delivered_tokens(text) == 5
    assert response.status == "completed"


async def test_the_asynchronous_sdk_reads_it_too(
    gateway: RunningGateway, simulator: RunningSimulator, model: str
) -> None:
    simulator.change(answer_tokens_max=5)
    async with AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0
    ) as sdk:
        stream = await sdk.responses.create(model=model, input="hi", stream=True)
        types = [event.type async for event in stream]
    assert types[-1] == "response.completed"


def test_an_answer_is_parsed_into_what_was_asked_for(
    gateway: RunningGateway, sdk: OpenAI
) -> None:
    town = '{"name":"Ghent","people":270000}'
    with scripted_engine(saying({"content": town})) as engine:
        model = gateway.serve(engine.url)
        response = sdk.responses.parse(model=model, input="which?", text_format=Town)
        with sdk.responses.stream(
            model=model, input="which?", text_format=Town
        ) as stream:
            streamed = stream.get_final_response()
    assert response.output_parsed == Town(name="Ghent", people=270_000)
    assert streamed.output_parsed == response.output_parsed
    asked = engine.requests[0].json["response_format"]
    assert asked["type"] == "json_schema"
    assert asked["json_schema"]["schema"]["required"] == ["name", "people"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_tool_is_called_and_its_result_given_back(
    gateway: RunningGateway, sdk: OpenAI, stream: bool
) -> None:
    function = {"name": "weather", "arguments": '{"town":"Ghent"}'}
    call = {"index": 0, "id": "call-1", "type": "function", "function": function}
    thought = {"reasoning": "they want to know"}
    script = saying(thought, {"tool_calls": [call]}, end="tool_calls")
    with scripted_engine(script) as engine:
        model = gateway.serve(engine.url)
        if stream:
            with sdk.responses.stream(
                model=model, input="rain?", tools=[WEATHER]
            ) as events:
                output: list[Any] = list(events.get_final_response().output)
        else:
            first = sdk.responses.create(model=model, input="rain?", tools=[WEATHER])
            output = list(first.output)
        reasoning, called = output
        assert reasoning.content[0].text == "they want to know"
        assert (called.name, called.arguments) == ("weather", '{"town":"Ghent"}')

        history: list[ResponseInputItemParam] = [{"role": "user", "content": "rain?"}]
        history += [item.to_dict() for item in output]
        history.append(
            {
                "type": "function_call_output",
                "call_id": called.call_id,
                "output": "a little",
            }
        )
        sdk.responses.create(model=model, input=history, tools=[WEATHER])
    assert engine.requests[-1].json["messages"] == [
        {"role": "user", "content": "rain?"},
        {
            "role": "assistant",
            "content": None,
            "reasoning": "they want to know",
            "tool_calls": [
                {"id": "call-1", "type": "function", "function": function},
            ],
        },
        {"role": "tool", "tool_call_id": "call-1", "content": "a little"},
    ]


def test_each_refusal_is_the_sdk_s_own_exception(
    simulator: RunningSimulator, gateway: RunningGateway, sdk: OpenAI, model: str
) -> None:
    with pytest.raises(openai.BadRequestError) as stored:
        sdk.responses.create(model=model, input="x", previous_response_id="resp_1")
    with pytest.raises(openai.BadRequestError) as hosted:
        sdk.responses.create(model=model, input="x", tools=[{"type": "web_search"}])
    with pytest.raises(openai.NotFoundError) as missing:
        sdk.responses.create(model="no-such-model", input="x")
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve("resp_1")
    with pytest.raises(openai.NotFoundError):
        sdk.responses.delete("resp_1")
    with pytest.raises(openai.AuthenticationError):
        gateway.openai("tg_wrong").responses.create(model=model, input="x")
    simulator.change(context_tokens=12)
    with pytest.raises(openai.BadRequestError) as long:
        sdk.responses.create(model=model, input="word " * 20)

    assert stored.value.param == "previous_response_id"
    assert (hosted.value.param, hosted.value.code) == (
        "tools[0].type",
        "unsupported_tool",
    )
    assert missing.value.code == "model_not_found"
    assert (long.value.code, long.value.param) == ("context_length_exceeded", "input")


def test_a_bound_of_the_model_is_told_in_the_caller_s_words(
    gateway: RunningGateway, simulator: RunningSimulator, sdk: OpenAI
) -> None:
    model = gateway.serve(simulator.base_url, max_output_tokens=5)
    with pytest.raises(openai.BadRequestError, match="'max_output_tokens'") as refused:
        sdk.responses.create(model=model, input="x", max_output_tokens=6)
    assert refused.value.param == "max_output_tokens"


def test_an_engine_that_fails_in_mid_stream_raises(
    gateway: RunningGateway, simulator: RunningSimulator, sdk: OpenAI, model: str
) -> None:
    simulator.change(fault="engine_error", fault_after_tokens=3, answer_tokens=20)
    seen: list[Any] = []
    with pytest.raises(openai.APIError) as raised:
        note_each(sdk, model, seen)
    assert raised.value.code == "engine_failed"
    assert seen[-1].type == "response.failed"
    assert seen[-1].response.error.code == "server_error"
    assert seen[-1].response.usage.output_tokens == 3
    [outcome] = gateway.meter.outcomes
    assert outcome.status is EventStatus.ENGINE_ERROR
    assert outcome.counts.output_tokens == 3


def test_a_budget_that_ends_in_mid_stream_raises(
    gateway: RunningGateway, simulator: RunningSimulator, sdk: OpenAI, model: str
) -> None:
    quota(gateway, "output_tokens", 10)
    simulator.change(inter_token_ms=1, answer_tokens=5_000)
    seen: list[Any] = []
    with pytest.raises(openai.APIError) as raised:
        note_each(sdk, model, seen)
    assert raised.value.code == "insufficient_quota"
    numbers = [event.sequence_number for event in seen]
    assert numbers == list(range(len(seen)))
    assert isinstance(raised.value.body, dict)
    assert seen[-1].response.usage.output_tokens == 10
    text = "".join(getattr(event, "delta", "") for event in seen)
    assert delivered_tokens(text) == 10
    [outcome] = gateway.meter.outcomes
    assert outcome.status is EventStatus.BUDGET_EXHAUSTED
    assert outcome.counts.output_tokens == 10


def test_a_budget_ends_what_an_engine_does_not_count_as_it_goes(
    gateway: RunningGateway, sdk: OpenAI
) -> None:
    quota(gateway, "output_tokens", 10)

    def endless(side: EngineSide) -> None:
        side.request()
        side.stream()
        while True:
            side.send(wire.chunk(wire.event(wire.chat_chunk({"content": "abc"}))))

    seen: list[Any] = []
    with scripted_engine(endless) as engine:
        model = gateway.serve(engine.url, dialect="openai")
        with pytest.raises(openai.APIError) as raised:
            note_each(sdk, model, seen)
    assert raised.value.code == "insufficient_quota"
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    # A token is at least a byte: of text that nobody counted no more may leave.
    assert "".join(getattr(event, "delta", "") for event in seen) == "abcabcabc"
    assert seen[-1].type == "response.failed"
    assert seen[-1].response.usage is None


def note_each(sdk: OpenAI, model: str, seen: list[Any]) -> None:
    """Read a stream, and note its events until it raises."""
    seen.extend(sdk.responses.create(model=model, input="hello", stream=True))


def test_closing_a_stream_stops_the_engine(
    gateway: RunningGateway, simulator: RunningSimulator, sdk: OpenAI, model: str
) -> None:
    simulator.change(inter_token_ms=5, answer_tokens=20_000)
    with sdk.responses.create(model=model, input="hello", stream=True) as events:
        assert next(iter(events)).type == "response.created"
    simulator.await_stats(lambda stats: stats["aborted"] == 1)
    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert outcome.status is EventStatus.CLIENT_GONE


def test_an_answer_without_running_usage_is_told_of_too(
    gateway: RunningGateway, sdk: OpenAI
) -> None:
    def once(side: EngineSide) -> None:
        side.request()
        said = [wire.chat_chunk({"content": text}) for text in ("a", "b")]
        events = [*said, wire.chat_chunk({}, reason="stop")]
        side.stream(*map(wire.event, events), wire.usage(2), wire.DONE)
        side.send(wire.STREAM_END)

    with scripted_engine(once) as engine:
        model = gateway.serve(engine.url, dialect="openai")
        *_, last = sdk.responses.create(model=model, input="hello", stream=True)
    assert last.type == "response.completed"
    assert last.response.output_text == "ab"
    assert last.response.usage is not None
    assert last.response.usage.output_tokens == 2
