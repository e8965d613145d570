"""Engines of other dialects behind the gateway, over real sockets: heard and billed.

What they send stands in the captures; here it passes the whole path, streamed and at
once, and breaks off.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest

from inference.tokenizers.shipped import SHIPPED
from kit.contracts import CountedBy, EventStatus, Outcome, TokenCounts
from tests.inference.engines import frames, wire
from tests.inference.engines.scripted import EngineSide, Request, scripted_engine
from tests.inference.gateway.client import Answer, RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

CAPTURES = Path(__file__).parents[2] / "captures"
HELLO = "Hello, Wörld!"
COUNTED = TokenCounts(input_tokens=21, cached_input_tokens=4, output_tokens=9)


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine's dialect: what it streams, and what is to be heard and billed."""

    dialect: str
    file: str
    path: str
    counts: TokenCounts = COUNTED
    text: str = HELLO
    options: dict[str, str] = field(default_factory=dict)

    @property
    def stream(self) -> bytes:
        path = CAPTURES / self.file
        if path.suffix == ".frames":
            return frames.frames_of(path)
        if self.dialect == "sagemaker":
            return frames.payload_parts(path.read_bytes(), 50)
        return path.read_bytes()


OLLAMA = Engine(
    "ollama",
    "documented/ollama/chat.ndjson",
    "/api/chat",
    TokenCounts(input_tokens=26, output_tokens=9),
)
BEDROCK = Engine(
    "bedrock", "documented/bedrock/chat.frames", "/model/a%3A1/converse-stream"
)
ENGINES = [
    OLLAMA,
    BEDROCK,
    Engine(
        "sglang",
        "documented/sglang/chat.sse",
        "/v1/chat/completions",
        TokenCounts(
            input_tokens=21,
            cached_input_tokens=4,
            output_tokens=9,
            reasoning_tokens=3,
        ),
    ),
    Engine(
        "sagemaker",
        "documented/tgi/chat.sse",
        "/endpoints/my-endpoint/invocations-response-stream",
        TokenCounts(input_tokens=25, output_tokens=9),
        options={"endpoint": "my-endpoint"},
    ),
    Engine(
        "tgi",
        "documented/tgi/chat.sse",
        "/v1/chat/completions",
        TokenCounts(input_tokens=25, output_tokens=9),
    ),
    Engine("llamacpp", "documented/llamacpp/timed.sse", "/v1/chat/completions"),
    Engine(
        "azure",
        "documented/tgi/chat.sse",
        "/openai/deployments/a%3A1/chat/completions?api-version=2024-10-21",
        TokenCounts(input_tokens=25, output_tokens=9),
        options={"api_version": "2024-10-21"},
    ),
    Engine(
        "vertex",
        "documented/tgi/chat.sse",
        "/chat/completions",
        TokenCounts(input_tokens=25, output_tokens=9),
    ),
]
every_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda each: each.dialect)


def ask(
    gateway: RunningGateway,
    engine: Engine,
    reply: Callable[[EngineSide], None],
    *,
    stream: bool = True,
    **fields: Any,
) -> tuple[Answer, Request, list[Outcome]]:
    """Send one chat to an engine that replies so."""

    def script(side: EngineSide) -> None:
        while side.request():
            reply(side)

    with (
        scripted_engine(script) as running,
        RawClient(gateway.port, gateway.key) as client,
    ):
        model = gateway.serve(
            running.url,
            dialect=engine.dialect,
            upstream_model="a:1",
            tokenizer=next(iter(SHIPPED)),
            options=engine.options,
        )
        client.chat(model, stream=stream, **fields)
        answer = client.read()
    wait_until(lambda: gateway.meter.open_requests == 0)
    assert b'"a:1"' not in answer.body
    return answer, running.requests[0], gateway.meter.outcomes


def streaming(data: bytes, size: int = 30) -> Callable[[EngineSide], None]:
    """Return a reply that streams these bytes in small chunks, to its end."""

    def reply(side: EngineSide) -> None:
        parts = [data[at : at + size] for at in range(0, len(data), size)]
        side.stream(*parts)
        side.send(wire.STREAM_END)

    return reply


@every_engine
def test_a_stream_is_heard_and_billed(gateway: RunningGateway, engine: Engine) -> None:
    answer, request, [outcome] = ask(gateway, engine, streaming(engine.stream))
    assert request.target == engine.path
    assert (answer.status, answer.text, answer.is_done) == (200, engine.text, True)
    assert outcome.status is EventStatus.OK
    assert outcome.counted_by is CountedBy.ENGINE
    assert outcome.counts == engine.counts


@every_engine
def test_an_engine_that_dies_is_billed_as_far_as_it_was_heard(
    gateway: RunningGateway, engine: Engine
) -> None:
    data = engine.stream

    def die(side: EngineSide) -> None:
        # All of the answer's text, but not how it ends.
        side.stream(data[: data.index(b"rld") + 60])
        side.reset()

    answer, _, [outcome] = ask(gateway, engine, die)
    assert answer.text in HELLO
    assert not answer.is_done
    assert b"engine_failed" in answer.body
    if answer.text:
        assert outcome.status is EventStatus.ENGINE_ERROR
        assert 0 < outcome.counts.output_tokens <= 9
    else:
        assert outcome.counts == TokenCounts()


@pytest.mark.parametrize(
    ("engine", "path"),
    [(OLLAMA, "/api/chat"), (BEDROCK, "/model/a%3A1/converse")],
    ids=["ollama", "bedrock"],
)
def test_a_whole_answer_is_heard_and_billed(
    gateway: RunningGateway, engine: Engine, path: str
) -> None:
    body = (CAPTURES / f"documented/{engine.dialect}/chat.json").read_bytes()
    answer, request, [outcome] = ask(
        gateway, engine, lambda side: side.send(wire.whole(body)), stream=False
    )
    assert request.target == path
    assert answer.json["choices"][0]["message"]["content"] == HELLO
    assert answer.json["object"] == "chat.completion"
    assert outcome.counts == engine.counts


@pytest.mark.parametrize("stream", [True, False])
@every_engine
def test_a_refusal_is_told_and_free(
    gateway: RunningGateway, engine: Engine, stream: bool
) -> None:
    busy = wire.whole({"message": "busy", "error": "busy"}, status=503)
    answer, _, outcomes = ask(
        gateway, engine, lambda side: side.send(busy), stream=stream
    )
    assert (answer.status, answer.json["error"]["code"]) == (503, "engine_overloaded")
    assert not outcomes


@pytest.mark.parametrize(
    ("dialect", "file"),
    [
        ("sglang", "documented/sglang/overflow.sse"),
        ("sglang", "documented/sglang/flat.sse"),
        ("tgi", "documented/tgi/overflow.sse"),
        ("llamacpp", "documented/llamacpp/overflow.sse"),
    ],
)
def test_a_refusal_that_comes_as_the_first_event_is_no_stream(
    gateway: RunningGateway, dialect: str, file: str
) -> None:
    engine = Engine(dialect, file, "")
    answer, _, outcomes = ask(gateway, engine, streaming(engine.stream))
    assert answer.status == 400
    assert answer.json["error"]["code"] == "context_length_exceeded"
    assert all(outcome.counts == TokenCounts() for outcome in outcomes)


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
CALLED = [
    {"role": "system", "content": "Be kind."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Look"},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "look", "arguments": '{"a":"b"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
]
TOOL = {"name": "look", "description": "Looks.", "parameters": SCHEMA}
ASKED: dict[str, Any] = {
    "messages": CALLED,
    "tools": [{"type": "function", "function": TOOL}],
    "temperature": 0.5,
    "stop": ["END"],
    "max_tokens": 7,
    "seed": None,
}


def test_ollama_is_asked_in_its_own_words(gateway: RunningGateway) -> None:
    engine = Engine("ollama", OLLAMA.file, "", options={"num_ctx": "8192"})
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    _, request, _ = ask(
        gateway,
        engine,
        streaming(engine.stream),
        **ASKED,
        response_format=form,
        reasoning_effort="none",
    )
    assert request.json == {
        "model": "a:1",
        "stream": True,
        "truncate": False,
        "shift": False,
        "think": False,
        "format": SCHEMA,
        "options": {
            "temperature": 0.5,
            "stop": ["END"],
            "num_predict": 7,
            "num_ctx": 8192,
        },
        "tools": [{"type": "function", "function": TOOL}],
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Look"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": "look", "arguments": {"a": "b"}}}],
            },
            {"role": "tool", "content": "seen", "tool_name": "look"},
        ],
    }


def test_bedrock_is_asked_in_its_own_words(gateway: RunningGateway) -> None:
    _, request, _ = ask(
        gateway, BEDROCK, streaming(BEDROCK.stream), **ASKED, tool_choice="required"
    )
    assert request.json == {
        "system": [{"text": "Be kind."}],
        "inferenceConfig": {
            "temperature": 0.5,
            "maxTokens": 7,
            "stopSequences": ["END"],
        },
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "look",
                        "description": "Looks.",
                        "inputSchema": {"json": SCHEMA},
                    }
                }
            ],
            "toolChoice": {"any": {}},
        },
        "messages": [
            {"role": "user", "content": [{"text": "Look"}]},
            {
                "role": "assistant",
                "content": [
                    {
                        "toolUse": {
                            "toolUseId": "call_1",
                            "name": "look",
                            "input": {"a": "b"},
                        }
                    }
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "toolResult": {
                            "toolUseId": "call_1",
                            "content": [{"text": "seen"}],
                        }
                    }
                ],
            },
        ],
    }


@pytest.mark.parametrize("engine", [OLLAMA, BEDROCK], ids=["ollama", "bedrock"])
@pytest.mark.parametrize(
    "fields",
    [{"n": 2}, {"logprobs": True}, {"logit_bias": {"1": 5}}, {"top_logprobs": 3}],
    ids=str,
)
def test_what_an_engine_has_no_words_for_is_refused(
    gateway: RunningGateway, engine: Engine, fields: dict[str, Any]
) -> None:
    with RawClient(gateway.port, gateway.key) as client:
        model = gateway.serve("http://127.0.0.1:1", dialect=engine.dialect)
        client.chat(model, **fields)
        answer = client.read()
    wait_until(lambda: gateway.meter.open_requests == 0)
    assert (answer.status, answer.json["error"]["param"]) == (400, next(iter(fields)))
    assert not gateway.meter.outcomes
    assert orjson.loads(answer.body)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("form", ["float", "base64"])
def test_ollama_embeds(
    gateway: RunningGateway, form: Literal["float", "base64"]
) -> None:
    body = (CAPTURES / "documented/ollama/embed.json").read_bytes()

    def reply(side: EngineSide) -> None:
        while side.request():
            side.send(wire.whole(body))

    with scripted_engine(reply) as engine:
        model = gateway.serve(engine.url, dialect="ollama", tasks=["embedding"])
        sdk = gateway.openai()
        made = sdk.embeddings.create(
            model=model, input=["a", "b"], encoding_format=form
        )
    assert [each.embedding for each in made.data] == [
        [0.5, -0.25] if form == "float" else "AAAAPwAAgL4=",
        [1, 0] if form == "float" else "AACAPwAAAAA=",
    ]
    [request] = engine.requests
    assert (request.target, request.json) == (
        "/api/embed",
        {"model": model, "input": ["a", "b"], "truncate": False},
    )
    wait_until(lambda: gateway.meter.open_requests == 0)
    [outcome] = gateway.meter.outcomes
    assert outcome.counts == TokenCounts(input_tokens=8)
