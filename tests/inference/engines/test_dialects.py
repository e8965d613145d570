"""What each engine is told: its name of the model, usage forced on, our id."""

import re

import orjson
import pytest

from inference.engines.auth.registry import AUTH
from inference.engines.backend import EngineCall, Envelope
from inference.engines.cache_salt import CacheSalts
from inference.engines.origin import Origin
from inference.engines.registry import BACKENDS
from inference.openai.requests import parse
from kit.contracts import Surface
from kit.errors import EngineFailed, InvalidRequest

# Those that are sent the OpenAI API's own body, with nothing to it.
PLAIN = ("vllm", "openai", "tgi", "azure", "vertex", "huggingface", "sagemaker")
MESSAGES = [{"role": "user", "content": "hello"}]
CHAT = Surface.CHAT_COMPLETIONS


def body_of(
    dialect: str,
    *,
    output_tokens_max: int | None = 5,
    cache_salt: str = "",
    **fields: object,
) -> dict[str, object]:
    """Return the body that goes to the engine."""
    body = {"model": "public", "messages": MESSAGES, **fields}
    call = BACKENDS[dialect].call(
        parse(CHAT, orjson.dumps(body)),
        Envelope("own", "a-0", output_tokens_max, cache_salt=cache_salt),
    )
    sent: dict[str, object] = orjson.loads(call.body)
    return sent


@pytest.mark.parametrize(
    ("dialect", "options"),
    [
        ("vllm", {"include_usage": True, "continuous_usage_stats": True}),
        ("openai", {"include_usage": True}),
    ],
)
@pytest.mark.parametrize("asked", [None, {"include_usage": False}])
def test_a_stream_always_reports_what_the_engine_can_report(
    dialect: str, options: dict[str, bool], asked: dict[str, bool] | None
) -> None:
    sent = body_of(dialect, stream=True, stream_options=asked)
    assert sent["stream_options"] == options


@pytest.mark.parametrize("dialect", BACKENDS)
def test_a_whole_answer_names_no_stream_options(dialect: str) -> None:
    assert "stream_options" not in body_of(dialect)


@pytest.mark.parametrize("dialect", PLAIN)
def test_the_body_is_what_was_checked_and_no_more(dialect: str) -> None:
    sent = body_of(dialect, temperature=0.5, user="x", max_completion_tokens=9)
    assert sent == {
        "model": "own",
        "messages": MESSAGES,
        "temperature": 0.5,
        "max_tokens": 5,
    }
    assert "max_tokens" not in body_of(dialect, output_tokens_max=None)


@pytest.mark.parametrize(
    ("dialect", "header"), [("vllm", "x-request-id"), ("openai", "x-client-request-id")]
)
@pytest.mark.parametrize(
    ("surface", "path"),
    [(CHAT, "/v1/chat/completions"), (Surface.COMPLETIONS, "/v1/completions")],
)
def test_path_and_id(dialect: str, header: str, surface: Surface, path: str) -> None:
    body = {"model": "m"} | (
        {"messages": MESSAGES} if surface is CHAT else {"prompt": "x"}
    )
    call = BACKENDS[dialect].call(
        parse(surface, orjson.dumps(body)), Envelope("m", "a-1")
    )
    assert call.path == path
    assert call.headers == {header: "a-1", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("auth", "shown"),
    [
        ("bearer", {"authorization": "Bearer secret"}),
        ("x-api-key", {"x-api-key": "secret"}),
        ("api-key", {"api-key": "secret"}),
    ],
)
async def test_a_key_is_shown_as_the_engine_wants_it(
    auth: str, shown: dict[str, str]
) -> None:
    origin = Origin.parse("http://engine:8000")
    call = EngineCall("/v1/chat/completions", {}, b"{}")
    assert await AUTH[auth].headers(origin, call, "secret", {}) == shown
    assert await AUTH[auth].headers(origin, call, "", {}) == {}


def test_a_salt_goes_to_an_engine_that_takes_one() -> None:
    assert body_of("vllm", cache_salt="s")["cache_salt"] == "s"
    assert "cache_salt" not in body_of("vllm")
    assert "cache_salt" not in body_of("openai", cache_salt="s")


def test_a_tenant_has_one_salt_that_every_vllm_takes() -> None:
    salts = CacheSalts(b"secret")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", salts.of(1))
    assert salts.of(1) == CacheSalts(b"secret").of(1)
    others = {salts.of(2), salts.of(11), CacheSalts(b"other").of(1)}
    assert len(others | {salts.of(1)}) == 4


@pytest.mark.parametrize("dialect", BACKENDS)
def test_errors_are_in_our_words(dialect: str) -> None:
    backend = BACKENDS[dialect]
    assert type(backend.error(400, b'{"error":{"message":"x"}}')) is InvalidRequest
    assert type(backend.error(401, b'{"error":"Unauthorized"}')) is EngineFailed


def test_llamacpp_reads_no_prompt_from_what_another_left() -> None:
    request = parse(CHAT, orjson.dumps({"model": "public", "messages": MESSAGES}))
    sent: list[dict[str, object]] = [
        orjson.loads(
            BACKENDS["llamacpp"]
            .call(request, Envelope("own", "a-0", options=options))
            .body
        )
        for options in ({}, {"shared_cache": "yes"})
    ]
    assert sent[0]["cache_prompt"] is False
    assert "cache_prompt" not in sent[1]
