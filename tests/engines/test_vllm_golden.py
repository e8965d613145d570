"""What a client sees through the gateway, held against what vLLM says by itself.

Every kind of call that was ever captured is made twice, directly and through the
gateway, with the same seed. Each difference has to be one that is meant, and is listed
here with its reason; one that does not show any more has to leave the list.

Streams are compared as what they say: a machine in a hurry cuts them elsewhere.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest

from tests.engines.engine import Engine
from tests.journeys.product import Product

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1200)]

SEED: Any = {"temperature": 0, "seed": 1}
# More than one choice needs some chance, which the seed decides.
WARM: Any = {"temperature": 1}
USER = [{"role": "user", "content": "Count the lines of the file and say them."}]
CHAT: Any = {"messages": USER, "max_tokens": 8, **SEED}
TEXT: Any = {"prompt": "Count the lines", "max_tokens": 8, **SEED}
USAGE: Any = {"stream": True, "stream_options": {"include_usage": True}}
RUNNING: Any = {
    "stream": True,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
}
SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "v",
        "schema": {
            "type": "object",
            "properties": {"verdict": {"enum": ["yes", "no"]}},
            "required": ["verdict"],
        },
    },
}
TOOL: Any = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}

# By a name for the call: where it is made, and with what.
CALLS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", CHAT),
    "chat_n2": ("/v1/chat/completions", {**CHAT, "n": 2, **WARM}),
    "chat_logprobs": (
        "/v1/chat/completions",
        {**CHAT, "logprobs": True, "top_logprobs": 2},
    ),
    "chat_stop": ("/v1/chat/completions", {**CHAT, "stop": ["e"], "max_tokens": 64}),
    "chat_schema": (
        "/v1/chat/completions",
        {**CHAT, "max_tokens": 200, "response_format": SCHEMA},
    ),
    "chat_stream": ("/v1/chat/completions", {**CHAT, "stream": True}),
    "chat_stream_usage": ("/v1/chat/completions", {**CHAT, **USAGE}),
    "chat_stream_running": ("/v1/chat/completions", {**CHAT, **RUNNING}),
    "chat_stream_n2_running": (
        "/v1/chat/completions",
        {**CHAT, **RUNNING, "n": 2, **WARM},
    ),
    "completion": ("/v1/completions", TEXT),
    "completion_batch": ("/v1/completions", {**TEXT, "prompt": ["one", "two"]}),
    "completion_logprobs": ("/v1/completions", {**TEXT, "logprobs": 1}),
    "completion_stream": ("/v1/completions", {**TEXT, "stream": True}),
    "completion_stream_usage": ("/v1/completions", {**TEXT, **USAGE}),
    "responses": (
        "/v1/responses",
        {"input": "Count the lines", "max_output_tokens": 8, "temperature": 0},
    ),
    "messages": ("/v1/messages", {"messages": USER, "max_tokens": 8, "temperature": 0}),
    "count_tokens": ("/v1/messages/count_tokens", {"messages": USER}),
    "tools_unparsed": (
        "/v1/chat/completions",
        {**CHAT, "tools": [TOOL], "tool_choice": "auto"},
    ),
    "too_long": ("/v1/chat/completions", {**CHAT, "messages": [
        {"role": "user", "content": "word " * 9_000}
    ]}),
    "no_messages": ("/v1/chat/completions", SEED),
    "empty_messages": ("/v1/chat/completions", {**CHAT, "messages": []}),
    "bad_temperature": ("/v1/chat/completions", {**CHAT, "temperature": 9}),
    "negative_tokens": ("/v1/chat/completions", {**CHAT, "max_tokens": -1}),
    "usage_without_stream": (
        "/v1/chat/completions",
        {**CHAT, "stream_options": {"include_usage": True}},
    ),
    "unknown_field": ("/v1/chat/completions", {**CHAT, "no_such_field": 1}),
}  # fmt: skip

# Of a call and a place in its answer: why it is not the same there.
_OPENAI = "errors are told as OpenAI tells them, whose codes are words"
_EARLY = "refused before an engine is asked, in our words"
_ENGINES = "a field of vLLM's own, which the API does not have"
_OPENAIS = "a field of the API, which vLLM leaves out or fills in otherwise"
INTENDED: Mapping[str, str] = {
    "* error.code": _OPENAI,
    "* error.type": _OPENAI,
    "too_long error.param": "OpenAI names the field that was sent",
    "no_messages error.*": _EARLY,
    "empty_messages error.*": _EARLY,
    "negative_tokens error.message": _EARLY,
    "usage_without_stream error.message": _EARLY,
    "unknown_field *": "what nobody knows is refused, and not silently ignored",
    "count_tokens context_management.*": "no context is managed here",
    "messages stop_sequence": _OPENAIS,
    "responses *_transfer_params": _ENGINES,
    "responses *put_messages": _ENGINES,
    "responses *_penalty": _ENGINES,
    "responses prompt": _ENGINES,
    "responses output*.phase": _ENGINES,
    "responses usage.*_per_turn": _ENGINES,
    "responses usage.*.tool_output_tokens": _ENGINES,
    "responses error": _OPENAIS,
    "responses metadata": _OPENAIS,
    "responses output*.logprobs": _OPENAIS,
    "responses output*.status": "an item that was cut short is incomplete",
    "responses prompt_cache_key": _OPENAIS,
    "responses reasoning*": _OPENAIS,
    "responses safety_identifier": _OPENAIS,
    "responses service_tier": _OPENAIS,
    "responses store": _OPENAIS,
    "responses text*": _OPENAIS,
    "responses tool_choice": _OPENAIS,
    "responses top_*": _OPENAIS,
}


_NEVER_TWICE = {"id", "created", "created_at", "completed_at", "system_fingerprint"}


@dataclass(frozen=True)
class Difference:
    """One place at which two answers differ."""

    call: str
    place: str
    direct: object
    through: object

    def __str__(self) -> str:
        return f"{self.call} {self.place}: {self.direct!r} -> {self.through!r}"


def said(answer: httpx.Response) -> dict[str, object]:
    """Return what an answer says, place by place, without what is never twice."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        body: Any = whole_of(answer.text)
    else:
        body = answer.json()
    places = dict(flat(body))
    lasting = {
        place: value
        for place, value in places.items()
        if place.rpartition(".")[2] not in _NEVER_TWICE
    }
    return {"http_status": answer.status_code, **lasting}


def whole_of(stream: str) -> dict[str, Any]:
    """Put a stream together: texts joined, of anything else the last that was said."""
    whole: dict[str, Any] = {"choices": {}}
    for block in stream.split("\n\n"):
        if not block.startswith("data: {"):
            whole["ends"] = block or whole.get("ends")
            continue
        chunk = orjson.loads(block.removeprefix("data: "))
        if "usage" in chunk:
            whole["chunks_with_usage"] = True
        for choice in chunk.pop("choices"):
            known = whole["choices"].setdefault(str(choice["index"]), {})
            join(known, choice)
        whole.update(chunk)
    return whole


def join(into: dict[str, Any], piece: Mapping[str, Any]) -> None:
    """Join a chunk's choice to those before it."""
    for name, value in piece.items():
        if isinstance(value, dict):
            join(into.setdefault(name, {}), value)
        elif isinstance(value, str) and isinstance(into.get(name), str):
            into[name] += value
        elif value is not None or name not in into:
            into[name] = value


def flat(value: Any, place: str = "") -> Iterator[tuple[str, object]]:
    """Yield all that a JSON value holds, each by its place."""
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from flat(part, f"{place}.{name}" if place else name)
    elif isinstance(value, list) and value:
        for number, part in enumerate(value):
            yield from flat(part, f"{place}[{number}]")
    elif isinstance(value, float):
        yield place, round(value, 2)
    else:
        yield place, value


def differences(engine: Engine, tried_product: Product) -> Iterator[Difference]:
    """Make every call twice, and yield where they differ."""
    key = {"authorization": f"Bearer {tried_product.api_key}"}
    for call, (path, body) in CALLS.items():
        asked = {"model": engine.model, **body}
        direct = said(httpx.post(engine.url + path, json=asked, timeout=120))
        through = said(
            httpx.post(tried_product.url + path, json=asked, headers=key, timeout=120)
        )
        for place in sorted({*direct, *through}):
            here, there = (side.get(place, "absent") for side in (direct, through))
            if here != there:
                yield Difference(call, place, here, there)


def test_every_difference_is_meant(engine: Engine, tried_product: Product) -> None:
    found = list(differences(engine, tried_product))
    unmeant, unused = [], set(INTENDED)
    for each in found:
        reasons = {
            pattern
            for pattern in INTENDED
            if fnmatch.fnmatchcase(f"{each.call} {each.place}", pattern)
        }
        unused -= reasons
        if not reasons:
            unmeant.append(str(each))
    assert not unmeant, "\n".join(unmeant)
    assert not unused, "these differences are no more"
