"""Write a chat as a request of Anthropic's Messages API.

Its turns take each other's place, so that messages of one side are put together; what
a system says stands beside them, wherever in the chat it was. Reasoning goes back only
where the engine signed it: without a signature it is refused there, and is not needed.

Failure: `InvalidRequest` for what that API has no words for. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from inference.engines.backend import Envelope
from inference.engines.chat_reading import (
    functions_of,
    messages_of,
    refuse,
    require_only,
    schema_of,
    stops_of,
    tool_uses_of,
)
from kit.errors import InvalidRequest
from kit.json_values import JsonObject, is_array, is_object

ENGINE = "Anthropic's API"
# That API wants to be told; every model of it can say as much.
MAX_TOKENS_DEFAULT = 4096
_KNOWN = frozenset(
    {
        "chat_template_kwargs",
        "include_reasoning",
        "messages",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)
_EFFORTS: Mapping[str, str] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
_CHOICES: Mapping[str, str] = {"auto": "auto", "required": "any", "none": "none"}
# What of a block of thinking its signature is for.
_SIGNED: Mapping[str, tuple[str, ...]] = {
    "thinking": ("type", "thinking", "signature"),
    "redacted_thinking": ("type", "data"),
}


def message_request(payload: Mapping[str, Any], envelope: Envelope) -> JsonObject:
    """Return the body that asks for an answer, but for whether it is to be streamed."""
    require_only(payload, _KNOWN, engine=ENGINE)
    most = envelope.output_tokens_max
    if most is None:
        most = _number(envelope.options, "max_tokens") or MAX_TOKENS_DEFAULT
    body = {
        "model": envelope.model,
        "max_tokens": most,
        **prompt_request(payload, envelope.options),
    }
    for name in ("temperature", "top_p"):
        if name in payload:
            body[name] = payload[name]
    # Elsewhere none of the best is told by -1 or 0.
    if (top_k := payload.get("top_k")) not in (None, 0, -1):
        body["top_k"] = top_k
    if stops := stops_of(payload):
        body["stop_sequences"] = stops
    return body


def prompt_request(
    payload: Mapping[str, Any], options: Mapping[str, str]
) -> JsonObject:
    """Return what of the body makes the prompt: it is what can be counted."""
    system: list[JsonObject] = []
    turns: list[JsonObject] = []
    for where, message in messages_of(payload):
        role = message["role"]
        if role in {"system", "developer"}:
            system += _blocks(message.get("content"), f"{where}.content", images=False)
            continue
        said_by = "assistant" if role == "assistant" else "user"
        blocks = list(_turn(role, message, where))
        if turns and turns[-1]["role"] == said_by:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": said_by, "content": blocks})
    body: JsonObject = {"messages": turns}
    if system:
        body["system"] = system
    if functions := functions_of(payload):
        body["tools"] = [_tool(function) for function in functions]
        body |= _tool_choice(payload)
    return body | _thinking(payload, options) | _output(payload)


def _turn(role: str, message: JsonObject, where: str) -> Iterator[JsonObject]:
    content = f"{where}.content"
    match role:
        case "user":
            yield from _blocks(message.get("content"), content)
        case "tool":
            result: JsonObject = {
                "type": "tool_result",
                "tool_use_id": str(message.get("tool_call_id") or ""),
            }
            if blocks := list(_blocks(message.get("content"), content)):
                result["content"] = blocks
            yield result
        case "assistant":
            yield from _signed(message.get("thinking_blocks"))
            yield from _blocks(message.get("content"), content, images=False)
            if isinstance(refusal := message.get("refusal"), str) and refusal:
                yield {"type": "text", "text": refusal}
            for call in tool_uses_of(message, where):
                yield {
                    "type": "tool_use",
                    "id": call.call_id,
                    "name": call.name,
                    "input": call.arguments,
                }
        case _:
            raise refuse("has no messages of functions", f"{where}.role", engine=ENGINE)


def _signed(blocks: object) -> Iterator[JsonObject]:
    for block in blocks if is_array(blocks) else ():
        kind = block.get("type") if is_object(block) else None
        if is_object(block) and isinstance(kind, str) and kind in _SIGNED:
            yield {name: block.get(name) for name in _SIGNED[kind]}


def _blocks(
    content: object, where: str, *, images: bool = True
) -> Iterator[JsonObject]:
    """Return the blocks of a content; one that says nothing is refused there."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for part in content if is_array(content) else ():
        kind = part.get("type")
        if kind in {"text", "refusal"}:
            if text := part.get(kind):
                yield {"type": "text", "text": text}
        elif kind == "image_url" and images:
            yield {"type": "image", "source": _source(part.get("image_url"), where)}
        else:
            raise refuse(
                f"takes no part of type '{str(kind)[:40]}' here", where, engine=ENGINE
            )


def _source(picture: object, where: str) -> JsonObject:
    url = picture.get("url") if is_object(picture) else picture
    if not isinstance(url, str):
        raise InvalidRequest(f"'{where}' needs the URL of a picture.", param=where)
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    kind, mark, data = url.removeprefix("data:").partition(";base64,")
    if not mark:
        raise InvalidRequest(f"'{where}' needs a picture in base64.", param=where)
    return {"type": "base64", "media_type": kind, "data": data}


def _tool(function: JsonObject) -> JsonObject:
    schema = function.get("parameters")
    tool: JsonObject = {
        "name": function["name"],
        "input_schema": schema if is_object(schema) else {"type": "object"},
    }
    if function.get("description") is not None:
        tool["description"] = function["description"]
    if function.get("strict"):
        tool["strict"] = True
    return tool


def _tool_choice(payload: Mapping[str, Any]) -> JsonObject:
    wanted = payload.get("tool_choice", "auto")
    choice: JsonObject
    if is_object(wanted) and is_object(function := wanted.get("function")):
        choice = {"type": "tool", "name": function.get("name")}
    elif isinstance(wanted, str) and wanted in _CHOICES:
        choice = {"type": _CHOICES[wanted]}
    else:
        raise refuse("has no such choice of a tool", "tool_choice", engine=ENGINE)
    if payload.get("parallel_tool_calls") is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {} if choice == {"type": "auto"} else {"tool_choice": choice}


def _thinking(payload: Mapping[str, Any], options: Mapping[str, str]) -> JsonObject:
    """Return whether to think; templates are told so by `enable_thinking`."""
    wanted = payload.get("chat_template_kwargs", {})
    if not is_object(wanted) or wanted.keys() - {"enable_thinking"}:
        raise refuse(
            "knows no 'chat_template_kwargs' but 'enable_thinking'",
            "chat_template_kwargs",
            engine=ENGINE,
        )
    if payload.get("reasoning_effort") == "none" or (
        wanted.get("enable_thinking") is False
    ):
        return {"thinking": {"type": "disabled"}}
    if not wanted.get("enable_thinking"):
        return {}
    thinking: JsonObject = {"type": "adaptive"}
    if budget := _number(options, "thinking_budget_tokens"):
        thinking = {"type": "enabled", "budget_tokens": budget}
    if payload.get("include_reasoning") is False:
        thinking["display"] = "omitted"
    return {"thinking": thinking}


def _output(payload: Mapping[str, Any]) -> JsonObject:
    config: JsonObject = {}
    effort = payload.get("reasoning_effort")
    if effort not in (None, "none"):
        if not isinstance(effort, str) or effort not in _EFFORTS:
            raise refuse("has no such effort", "reasoning_effort", engine=ENGINE)
        config["effort"] = _EFFORTS[effort]
    schema = schema_of(payload)
    if schema == {}:
        raise refuse(
            "gives JSON by a schema only: name one as 'json_schema'",
            "response_format",
            engine=ENGINE,
        )
    if schema is not None:
        config["format"] = {"type": "json_schema", "schema": schema}
    return {"output_config": config} if config else {}


def _number(options: Mapping[str, str], name: str) -> int:
    """Return an option that is a number; one that is none is as one not given."""
    text = options.get(name, "")
    return int(text) if text.isdecimal() else 0
