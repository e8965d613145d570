"""Amazon Bedrock's Converse API: one form for the models of many makers.

Whole answers are JSON; streamed ones are frames of Amazon's event stream. A prompt's
tokens come in three counts, of which the cached are not part of the first.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import quote

import orjson

from inference.engines.aws_errors import from_aws
from inference.engines.backend import EngineCall, Envelope, EventReader, PromptCalls
from inference.engines.bedrock_stream import BedrockReader, answer_of
from inference.engines.chat_reading import (
    Image,
    functions_of,
    messages_of,
    parts_of,
    refuse,
    require_only,
    stops_of,
    text_of,
    tool_uses_of,
)
from inference.engines.openai_compatible import JSON
from inference.openai.requests import GenerationRequest
from inference.openai.tasks import Task
from inference.openai.usage import UsageError
from kit.errors import PlatformError
from kit.json_values import JsonObject, is_object

ENGINE = "Amazon Bedrock"
_INFERENCE: Mapping[str, str] = MappingProxyType(
    {"temperature": "temperature", "top_p": "topP"}
)
_KNOWN = _INFERENCE.keys() | {"messages", "tools", "tool_choice", "stop", "top_k"}
_SYSTEM = frozenset({"system", "developer"})


class BedrockBackend:
    """The dialect of Converse and ConverseStream."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.CHAT})

    def call(self, request: GenerationRequest, envelope: Envelope) -> EngineCall:
        """Write the call; the model is part of the path."""
        if request.task is not Task.CHAT:
            raise refuse(f"cannot {request.task} here", "model", engine=ENGINE)
        if request.choices > 1:
            raise refuse("answers with one choice", "n", engine=ENGINE)
        # An id may hold colons, and an ARN slashes: neither parts the path.
        model = quote(envelope.model, safe="")
        verb = "converse-stream" if request.stream else "converse"
        body = _body(request.payload, envelope)
        return EngineCall(f"/model/{model}/{verb}", JSON, orjson.dumps(body))

    def reader(self, request: GenerationRequest, envelope: Envelope) -> EventReader:
        """Return what reads the frames."""
        return BedrockReader(envelope)

    def answer(
        self, body: bytes, request: GenerationRequest, envelope: Envelope
    ) -> bytes:
        """Return a whole answer in the OpenAI API's form."""
        return answer_of(body, envelope)

    def error(self, status: int, body: bytes) -> PlatformError:
        """Translate the exception."""
        return from_aws(status, body)

    def prompt_calls(
        self, request: GenerationRequest, *, model: str
    ) -> PromptCalls | None:
        """Know no call for it that all models have."""
        return None

    def prompt_tokens(self, body: bytes) -> int:
        """Refuse the answer to a call that was never made."""
        raise UsageError("this engine counts no prompts")


def _body(payload: Mapping[str, Any], envelope: Envelope) -> JsonObject:
    require_only(payload, _KNOWN, engine=ENGINE)
    system, messages = _talk(payload)
    if not messages:
        raise refuse("wants a message of the user", "messages", engine=ENGINE)
    body: JsonObject = {"messages": messages}
    if system:
        body["system"] = system
    inference: JsonObject = {
        theirs: payload[ours] for ours, theirs in _INFERENCE.items() if ours in payload
    }
    if envelope.output_tokens_max is not None:
        inference["maxTokens"] = envelope.output_tokens_max
    if (stops := stops_of(payload)) is not None:
        inference["stopSequences"] = stops
    if inference:
        body["inferenceConfig"] = inference
    if "top_k" in payload:
        body["additionalModelRequestFields"] = {"top_k": payload["top_k"]}
    if tools := _tools(payload):
        body["toolConfig"] = tools
    return body


def _talk(payload: Mapping[str, Any]) -> tuple[list[JsonObject], list[JsonObject]]:
    """Return what the system says, and the talk, in which two sides take turns."""
    system: list[JsonObject] = []
    talk: list[JsonObject] = []
    for where, message in messages_of(payload):
        role = message["role"]
        if role in _SYSTEM:
            system.append({"text": text_of(message, where)})
            continue
        side = "assistant" if role == "assistant" else "user"
        blocks = _blocks(message, where)
        if talk and talk[-1]["role"] == side:
            talk[-1]["content"].extend(blocks)
        elif blocks:
            talk.append({"role": side, "content": blocks})
    return system, talk


def _blocks(message: Mapping[str, Any], where: str) -> list[JsonObject]:
    if message["role"] == "tool":
        result = {
            "toolUseId": str(message.get("tool_call_id") or ""),
            "content": [{"text": text_of(message, where)}],
        }
        return [{"toolResult": result}]
    blocks: list[JsonObject] = [
        _picture(part) if isinstance(part, Image) else {"text": part}
        for part in parts_of(message, where)
        # An empty text is refused there.
        if part
    ]
    blocks.extend(
        {
            "toolUse": {
                "toolUseId": use.call_id,
                "name": use.name,
                "input": use.arguments,
            }
        }
        for use in tool_uses_of(message, where)
    )
    return blocks


def _picture(image: Image) -> JsonObject:
    kind = "jpeg" if image.kind == "jpg" else image.kind
    return {"image": {"format": kind, "source": {"bytes": image.base64}}}


def _tools(payload: Mapping[str, Any]) -> JsonObject | None:
    choice = payload.get("tool_choice", "auto")
    functions = functions_of(payload)
    if not functions or choice == "none":
        return None
    specs: list[JsonObject] = []
    for function in functions:
        spec: JsonObject = {
            "name": function["name"],
            "inputSchema": {"json": function.get("parameters") or {"type": "object"}},
        }
        if description := function.get("description"):
            spec["description"] = description
        specs.append({"toolSpec": spec})
    return {"tools": specs, "toolChoice": _tool_choice(choice)}


def _tool_choice(choice: object) -> JsonObject:
    if choice == "auto":
        return {"auto": {}}
    if choice == "required":
        return {"any": {}}
    function = choice.get("function") if is_object(choice) else None
    name = function.get("name") if is_object(function) else None
    if not isinstance(name, str):
        raise refuse("knows no such choice of tools", "tool_choice", engine=ENGINE)
    return {"tool": {"name": name}}
