"""The anthropic SDK as the judge of `/v1/messages`, and of a prompt's count."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import Anthropic, AsyncAnthropic

from inference.engines.simulator.tokens import delivered_tokens
from inference.gateway.counting import WAITED_FOR_S
from kit import api_keys
from kit.contracts import EventStatus, Surface
from tests.inference.engines import wire
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.limited import quota, rate, slots
from tests.inference.gateway.polling import PATIENCE_S, wait_until
from tests.inference.gateway.running import RunningGateway, running_gateway
from tests.inference.openai.test_media import PNG, encoded

HELLO: Any = [{"role": "user", "content": "hello you"}]


def options(gateway: RunningGateway, key: str | None = None) -> dict[str, Any]:
    """Return how an SDK is told where to go."""
    return {
        "base_url": gateway.url,
        "api_key": gateway.key if key is None else key,
        "max_retries": 0,
        "timeout": PATIENCE_S,
    }


@pytest.fixture
def sdk(gateway: RunningGateway) -> Iterator[Anthropic]:
    """Give the SDK with a good key, which it sends as `x-api-key`."""
    with Anthropic(**options(gateway)) as client:
        yield client


def calling(*events: bytes) -> Any:
    """Return an engine that streams these events."""

    def script(side: EngineSide) -> None:
        while side.request():
            side.stream(*events, wire.DONE)
            side.send(wire.STREAM_END)

    return script


def test_a_message_streamed_and_whole(
    gateway: RunningGateway, sdk: Anthropic, model: str
) -> None:
    asked: Any = {"model": model, "messages": HELLO, "max_tokens": 7}
    whole = sdk.messages.create(**asked)
    with sdk.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()

    [said] = whole.content
    assert said.type == "text"
    assert said.text == text
    assert delivered_tokens(text) == 7
    assert final.stop_reason == whole.stop_reason == "max_tokens"
    assert final.model == whole.model == model
    assert whole._request_id
    for admission, outcome in gateway.meter.settled:
        assert admission.surface is Surface.MESSAGES
        for message in (whole, final):
            assert message.id.startswith("msg_")
            assert message.usage.output_tokens == outcome.counts.output_tokens == 7
            assert message.usage.input_tokens == outcome.counts.input_tokens


async def test_the_asynchronous_sdk_too(gateway: RunningGateway, model: str) -> None:
    asked: Any = {"model": model, "messages": HELLO, "max_tokens": 3}
    async with AsyncAnthropic(**options(gateway)) as sdk:
        whole, streamed = await asyncio.gather(
            sdk.messages.create(**asked), sdk.messages.create(**asked, stream=True)
        )
        kinds = [event.type async for event in streamed]
    assert whole.usage.output_tokens == 3
    assert kinds == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_a_tool_is_called_and_its_result_goes_back(
    gateway: RunningGateway, sdk: Anthropic
) -> None:
    def piece(number: int, **function: str) -> bytes:
        call = {"index": 0, "id": "call_1", "function": function}
        return wire.event(
            wire.chat_chunk({"tool_calls": [call]}) | {"usage": wire.running(number)}
        )

    script = calling(
        piece(1, name="weather", arguments=""),
        piece(2, arguments='{"city": '),
        piece(3, arguments='"Nice"}'),
        wire.event(
            wire.chat_chunk({}, reason="tool_calls") | {"usage": wire.running(3)}
        ),
        wire.usage(3),
    )
    tool: Any = {"name": "weather", "input_schema": {"type": "object"}}
    with scripted_engine(script) as engine:
        asked: Any = {
            "model": gateway.serve(engine.url),
            "max_tokens": 9,
            "tools": [tool],
        }
        with sdk.messages.stream(**asked, messages=HELLO) as stream:
            said = stream.get_final_message()
        [use] = said.content
        assert use.type == "tool_use"
        assert (use.name, use.input) == ("weather", {"city": "Nice"})
        assert said.stop_reason == "tool_use"
        result: Any = {"type": "tool_result", "tool_use_id": use.id, "content": "sun"}
        turns = [*HELLO, said.to_param(), {"role": "user", "content": [result]}]
        with sdk.messages.stream(**asked, messages=turns) as stream:
            stream.until_done()

    sent = engine.requests[-1].json["messages"]
    assert sent[1]["tool_calls"][0]["function"]["name"] == "weather"
    assert sent[2] == {"role": "tool", "tool_call_id": "call_1", "content": "sun"}


@pytest.mark.parametrize("stream", [True, False])
def test_each_refusal_is_the_sdk_s_own_exception(
    gateway: RunningGateway, sdk: Anthropic, model: str, stream: bool
) -> None:
    def ask(name: str, client: Anthropic = sdk, **more: Any) -> None:
        fields: Any = {"max_tokens": 9, "messages": HELLO, "stream": stream, **more}
        client.messages.create(model=name, **fields)

    suspended = gateway.issue_key(tenant_id=61, active=False)
    with pytest.raises(anthropic.BadRequestError) as bad:
        ask(model, max_tokens=0)
    with (
        Anthropic(**options(gateway, "tg_wrong")) as stranger,
        pytest.raises(anthropic.AuthenticationError) as unknown,
    ):
        ask(model, stranger)
    with (
        Anthropic(**options(gateway, suspended)) as stopped,
        pytest.raises(anthropic.PermissionDeniedError) as forbidden,
    ):
        ask(model, stopped)
    with pytest.raises(anthropic.NotFoundError) as missing:
        ask("no-such-model")
    with pytest.raises(anthropic.InternalServerError) as nobody:
        ask(gateway.serve())
    quota(gateway, "output_tokens", 0)
    with pytest.raises(anthropic.RateLimitError) as spent:
        ask(model)

    kinds = {
        "invalid_request_error": bad,
        "authentication_error": unknown,
        "permission_error": forbidden,
        "not_found_error": missing,
        "overloaded_error": nobody,
        "rate_limit_error": spent,
    }
    for kind, raised in kinds.items():
        error: anthropic.APIStatusError = raised.value
        body: Any = error.body
        assert error.request_id
        assert body.keys() == {"type", "error", "request_id"}
        assert body["type"] == "error"
        assert body["error"].keys() == {"type", "message"}
        assert body["error"]["type"] == kind
        assert body["request_id"] == error.request_id
    assert spent.value.response.headers["x-should-retry"] == "false"


def test_an_engine_that_fails_in_mid_stream_raises(
    gateway: RunningGateway, sdk: Anthropic
) -> None:
    def fail(side: EngineSide) -> None:
        side.request()
        side.stream(wire.token(1))

    with scripted_engine(fail) as engine:
        model = gateway.serve(engine.url)
        asked: Any = {"model": model, "messages": HELLO, "max_tokens": 9}
        with sdk.messages.stream(**asked) as stream:
            seen: list[str] = []
            with pytest.raises(anthropic.APIError) as raised:
                seen.extend(stream.text_stream)
    assert seen == [" t1"]
    assert "failed while it was answering" in str(raised.value)
    [outcome] = gateway.meter.outcomes
    assert outcome.status is EventStatus.ENGINE_ERROR
    assert outcome.counts.output_tokens == 1


def test_closing_a_stream_stops_the_engine(
    gateway: RunningGateway, simulator: RunningSimulator, sdk: Anthropic, model: str
) -> None:
    simulator.change(inter_token_ms=5, answer_tokens=20_000)
    asked: Any = {"model": model, "messages": HELLO, "max_tokens": 20_000}
    with sdk.messages.stream(**asked) as stream:
        next(iter(stream.text_stream))
    simulator.await_stats(lambda stats: stats["aborted"] == 1)
    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert outcome.status is EventStatus.CLIENT_GONE


def test_a_picture_reaches_an_engine_whose_model_sees(
    gateway: RunningGateway, sdk: Anthropic, model: str
) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": encoded(PNG)}
    turns: Any = [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": source},
                {"type": "text", "text": "what is it?"},
            ],
        }
    ]

    def script(side: EngineSide) -> None:
        while side.request():
            side.send(wire.whole(wire.answer("a dot", output=2)))

    with scripted_engine(script) as engine:
        seeing = gateway.serve(engine.url, modalities=["text", "image"])
        said = sdk.messages.create(model=seeing, max_tokens=9, messages=turns)
        with pytest.raises(anthropic.BadRequestError, match="takes no image"):
            sdk.messages.create(model=model, max_tokens=9, messages=turns)

    [block] = said.content
    assert block.type == "text"
    assert block.text == "a dot"
    [request] = engine.requests
    assert request.json["messages"][0]["content"][0]["image_url"] == {
        "url": f"data:image/png;base64,{encoded(PNG)}"
    }


# Who calls ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/v1/messages", "POST"),
        ("/v1/messages/count_tokens", "POST"),
        ("/v1/messages/batches", "GET"),
        ("/v1/messages", "GET"),
    ],
)
def test_whatever_is_refused_there_is_said_in_anthropic_s_form(
    gateway: RunningGateway, path: str, method: str
) -> None:
    refused = httpx.request(method, f"{gateway.url}{path}")
    assert refused.status_code in {401, 404, 405}
    body = refused.json()
    assert body["type"] == "error"
    assert body["request_id"] == refused.headers["request-id"]
    assert refused.headers["request-id"] == refused.headers["x-request-id"]


def test_a_key_may_come_as_either_and_authorization_is_believed_first(
    gateway: RunningGateway, model: str
) -> None:
    def status(**headers: str) -> int:
        body = {"model": model, "messages": HELLO, "max_tokens": 1}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{gateway.url}/v1/messages"
        return httpx.post(url, json=body, headers=named).status_code

    bearer, other = f"Bearer {gateway.key}", api_keys.generate()
    assert status(authorization=bearer) == 200
    assert status(x_api_key=gateway.key) == 200
    # It may be a proxy's own.
    assert status(authorization=bearer, x_api_key=other) == 200
    assert status(authorization=f"Bearer {other}", x_api_key=gateway.key) == 401
    assert status(authorization="Basic eDp5", x_api_key=gateway.key) == 401
    assert status(x_api_key=other) == 401
    chat = httpx.get(f"{gateway.url}/v1/models", headers={"x-api-key": gateway.key})
    assert chat.status_code == 200


# Counts ------------------------------------------------------------------------------


def test_a_count_is_what_the_prompt_is_billed(
    gateway: RunningGateway, sdk: Anthropic, model: str
) -> None:
    prompt: Any = {"model": model, "messages": HELLO, "system": "be brief"}
    counted = sdk.messages.count_tokens(**prompt)
    assert not gateway.meter.admissions
    sdk.messages.create(**prompt, max_tokens=1)
    assert gateway.meter.outcomes[0].counts.input_tokens == counted.input_tokens


def test_a_count_takes_a_request_of_its_limit_and_no_tokens(
    gateway: RunningGateway, sdk: Anthropic, model: str
) -> None:
    gateway.limit(rate("requests", 2), rate("input_tokens", 0))
    for _ in range(2):
        sdk.messages.count_tokens(model=model, messages=HELLO)
    with pytest.raises(anthropic.RateLimitError) as refused:
        sdk.messages.count_tokens(model=model, messages=HELLO)
    assert int(refused.value.response.headers["retry-after"]) > 0
    assert not gateway.rates.running


def test_who_leaves_a_count_frees_its_slot() -> None:
    asked = threading.Event()

    def script(side: EngineSide) -> None:
        side.request()
        asked.set()
        side.wait_until_left()

    with (
        running_gateway(count_patience_s=PATIENCE_S) as gateway,
        scripted_engine(script) as engine,
        RawClient(gateway.port, gateway.key) as raw,
    ):
        model = gateway.serve(engine.url)
        gateway.limit(slots(1))
        raw.post("/v1/messages/count_tokens", {"model": model, "messages": HELLO})
        assert asked.wait(PATIENCE_S)
        assert len(gateway.rates.running) == 1
        raw.leave()
        # Else it would go on for as long as a client is made to wait.
        assert engine.left.wait(0.75 * WAITED_FOR_S)
        wait_until(lambda: not gateway.rates.running)


def test_what_nobody_can_count_is_asked_for_again(
    gateway: RunningGateway, sdk: Anthropic
) -> None:
    model = gateway.serve("http://127.0.0.1:1", dialect="openai")
    with pytest.raises(anthropic.InternalServerError) as refused:
        sdk.messages.count_tokens(model=model, messages=HELLO)
    assert refused.value.status_code == 503
    assert refused.value.response.headers["retry-after"] == "1"
    counted = gateway.serve(dialect="openai", tokenizer="cl100k_base")
    told = sdk.messages.count_tokens(model=counted, messages=HELLO)
    # Two words, what a message adds, and the opening of the reply.
    assert told.input_tokens == 2 + 5 + 3


def test_a_count_wants_the_scope_and_the_model(
    gateway: RunningGateway, sdk: Anthropic, model: str
) -> None:
    with pytest.raises(anthropic.NotFoundError):
        sdk.messages.count_tokens(model="no-such-model", messages=HELLO)
    key = gateway.issue_key(tenant_id=1, scopes=["models"])
    with (
        Anthropic(**options(gateway, key)) as other,
        pytest.raises(anthropic.PermissionDeniedError),
    ):
        other.messages.count_tokens(model=model, messages=HELLO)
