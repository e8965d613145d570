"""The openai SDK as the judge: it reads our answers and knows our errors."""

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from inference.engines.simulator.tokens import delivered_tokens
from kit.contracts import EventStatus
from tests.inference.engines import wire
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

HELLO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "hello you"}]


@pytest.fixture
def sdk(gateway: RunningGateway) -> OpenAI:
    """Give the SDK with a good key."""
    return gateway.openai()


def test_a_chat_streamed_and_whole(
    gateway: RunningGateway, sdk: OpenAI, model: str
) -> None:
    whole = sdk.chat.completions.create(model=model, messages=HELLO, max_tokens=7)
    text, usage = "", None
    for chunk in sdk.chat.completions.create(
        model=model,
        messages=HELLO,
        max_tokens=7,
        stream=True,
        stream_options={"include_usage": True},
    ):
        usage = chunk.usage or usage
        text += "".join(choice.delta.content or "" for choice in chunk.choices)

    assert text == whole.choices[0].message.content
    assert delivered_tokens(text) == 7
    assert whole.usage is not None
    assert usage is not None
    for counted in (whole.usage, usage):
        for outcome in gateway.meter.outcomes:
            assert counted.completion_tokens == outcome.counts.output_tokens
            assert counted.prompt_tokens == outcome.counts.input_tokens


def test_completions_and_the_list_of_models(sdk: OpenAI, model: str) -> None:
    done = sdk.completions.create(model=model, prompt=["a", "b c"], n=2, max_tokens=3)
    assert len(done.choices) == 4
    assert done.usage is not None
    assert done.usage.completion_tokens == 12
    assert model in {entry.id for entry in sdk.models.list()}
    assert sdk.models.retrieve(model).id == model


@pytest.mark.parametrize("stream", [True, False])
def test_each_refusal_is_the_sdk_s_own_exception(
    gateway: RunningGateway, sdk: OpenAI, model: str, stream: bool
) -> None:
    def ask(client: OpenAI, name: str, **more: int) -> None:
        client.chat.completions.create(
            model=name,
            messages=HELLO,
            stream=stream,
            **more,  # type: ignore[call-overload]
        )

    suspended = gateway.issue_key(tenant_id=60, active=False)
    with pytest.raises(openai.BadRequestError) as bad:
        ask(sdk, model, n=0)
    with pytest.raises(openai.AuthenticationError) as unknown:
        ask(gateway.openai("tg_wrong"), model)
    with pytest.raises(openai.PermissionDeniedError) as forbidden:
        ask(gateway.openai(suspended), model)
    with pytest.raises(openai.NotFoundError) as missing:
        ask(sdk, "no-such-model")
    with pytest.raises(openai.InternalServerError) as nobody:
        ask(sdk, gateway.serve())

    assert (bad.value.param, bad.value.status_code) == ("n", 400)
    assert unknown.value.code == "invalid_api_key"
    assert forbidden.value.code == "tenant_suspended"
    assert missing.value.code == "model_not_found"
    assert (nobody.value.status_code, nobody.value.code) == (503, "engine_overloaded")
    for raised in (bad, unknown, forbidden, missing, nobody):
        assert raised.value.request_id


def test_an_overflow_of_the_context_is_known_by_its_code(
    simulator: RunningSimulator, sdk: OpenAI, model: str
) -> None:
    simulator.change(context_tokens=12, answer_tokens=4)
    long: list[ChatCompletionUserMessageParam] = [
        {"role": "user", "content": "word " * 20}
    ]
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.chat.completions.create(model=model, messages=long)
    assert refused.value.code == "context_length_exceeded"
    assert refused.value.param == "messages"


@pytest.mark.parametrize("ending", ["error", "close", "clean end"])
def test_an_engine_that_fails_in_mid_stream_raises(
    gateway: RunningGateway, sdk: OpenAI, ending: str
) -> None:
    def fail(side: EngineSide) -> None:
        side.request()
        side.stream(wire.token(1))
        if ending == "error":
            side.send(wire.chunk(wire.event({"error": {"message": "x", "code": 500}})))
        elif ending == "clean end":
            side.send(wire.STREAM_END)

    with scripted_engine(fail) as engine:
        stream = sdk.chat.completions.create(
            model=gateway.serve(engine.url), messages=HELLO, stream=True
        )
        assert next(stream).choices[0].delta.content == " t1"
        with pytest.raises(openai.APIError) as raised:
            next(stream)

    assert not isinstance(raised.value, openai.APIStatusError)
    assert raised.value.code == "engine_failed"


def test_the_sdk_tries_again_after_a_refusal_for_now(
    gateway: RunningGateway, model: str
) -> None:
    seen: list[httpx.Response] = []
    gateway.meter.is_away = True

    def recover(response: httpx.Response) -> None:
        seen.append(response)
        gateway.meter.is_away = False

    hooks = {"response": [recover]}
    with openai.DefaultHttpxClient(event_hooks=hooks) as http:
        sdk = gateway.openai().with_options(max_retries=1, http_client=http)
        done = sdk.chat.completions.create(model=model, messages=HELLO, max_tokens=2)
    assert done.usage is not None
    assert [response.status_code for response in seen] == [503, 200]


def test_closing_a_stream_stops_the_engine(
    gateway: RunningGateway, simulator: RunningSimulator, sdk: OpenAI, model: str
) -> None:
    simulator.change(inter_token_ms=5, answer_tokens=20_000)
    with sdk.chat.completions.create(
        model=model, messages=HELLO, stream=True
    ) as chunks:
        next(iter(chunks))
    simulator.await_stats(lambda stats: stats["aborted"] == 1)
    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert outcome.status is EventStatus.CLIENT_GONE
