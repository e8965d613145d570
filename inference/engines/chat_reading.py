"""Read a chat's fields for an engine that has other words for them.

What a dialect has no words for is refused before anything is sent: an answer to another
question than the client's would be billed to it. What only says the default is let go.
Failure: `InvalidRequest` with the field and the remedy. Pure.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from inference.openai.limits import check_depth
from kit.errors import InvalidRequest
from kit.json_values import JsonObject, is_array, is_object

# Fields that say nothing as long as they say this.
_NEUTRAL: Mapping[str, object] = MappingProxyType(
    {
        "n": 1,
        "logprobs": False,
        "parallel_tool_calls": True,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "repetition_penalty": 1,
        "include_reasoning": True,
        "logit_bias": {},
        "skip_special_tokens": True,
        "spaces_between_special_tokens": True,
        "include_stop_str_in_output": False,
        "echo": False,
        "tool_choice": "auto",
        "response_format": {"type": "text"},
        "encoding_format": "float",
    }
)
# What the gateway itself has read and put into the envelope.
_READ = frozenset({"model", "stream"})


@dataclass(frozen=True, slots=True)
class Image:
    """A picture in a message."""

    kind: str
    base64: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of a tool that an earlier answer made."""

    call_id: str
    name: str
    arguments: JsonObject


def require_only(payload: Mapping[str, Any], known: Set[str], *, engine: str) -> None:
    """Raise for a field that the engine has no word for and that asks for something."""
    for name in sorted(payload.keys() - known - _READ):
        if name in _NEUTRAL and payload[name] == _NEUTRAL[name]:
            continue
        raise InvalidRequest(
            f"This model is served by {engine}, which has no '{name}'. Remove it.",
            param=name,
            code="unsupported_parameter",
        )


def refuse(what: str, param: str, *, engine: str) -> InvalidRequest:
    """Return the error for a value that the engine has no word for."""
    return InvalidRequest(
        f"This model is served by {engine}, which {what}.",
        param=param,
        code="unsupported_value",
    )


def messages_of(payload: Mapping[str, Any]) -> Iterator[tuple[str, JsonObject]]:
    """Give each message with where it stands; their roles have been checked."""
    for position, message in enumerate(payload["messages"]):
        yield f"messages[{position}]", message


def parts_of(message: Mapping[str, Any], where: str) -> list[str | Image]:
    """Return the texts and pictures of a message, in order."""
    content = message.get("content")
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    return [_part_of(part, f"{where}.content") for part in content]


def text_of(message: Mapping[str, Any], where: str) -> str:
    """Return the text of a message that may hold nothing else."""
    parts = parts_of(message, where)
    if any(isinstance(part, Image) for part in parts):
        raise _malformed(f"{where}.content", "may hold text only")
    return "".join(part for part in parts if isinstance(part, str))


def tool_uses_of(message: Mapping[str, Any], where: str) -> list[ToolUse]:
    """Return the calls of tools that a message of the assistant tells of."""
    param = f"{where}.tool_calls"
    calls = message.get("tool_calls")
    if calls is None:
        return []
    if not is_array(calls):
        raise _malformed(param, "must be a list")
    return [_tool_use_of(call, param) for call in calls]


def functions_of(payload: Mapping[str, Any]) -> list[JsonObject]:
    """Return what the tools are that may be called: name, description, parameters."""
    tools = payload.get("tools")
    if tools is None:
        return []
    if not is_array(tools):
        raise _malformed("tools", "must be a list")
    functions: list[JsonObject] = []
    for position, tool in enumerate(tools):
        function = tool.get("function") if is_object(tool) else None
        if not is_object(function) or not isinstance(function.get("name"), str):
            raise _malformed(f"tools[{position}]", "must be a function with a name")
        functions.append(function)
    return functions


def schema_of(payload: Mapping[str, Any]) -> JsonObject | None:
    """Return the JSON schema that the answer is to follow; an empty one takes any."""
    wanted = payload.get("response_format")
    if wanted is None:
        return None
    kind = wanted.get("type") if is_object(wanted) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return {}
    if is_object(wanted) and kind == "json_schema":
        described = wanted.get("json_schema")
        schema = described.get("schema") if is_object(described) else None
        if is_object(schema):
            return schema
    raise _malformed("response_format", "must name a type, and a schema where it is")


def stops_of(payload: Mapping[str, Any]) -> list[str] | None:
    """Return the texts that end an answer."""
    stop = payload.get("stop")
    if stop is None:
        return None
    stops = [stop] if isinstance(stop, str) else stop
    if not is_array(stops) or not all(isinstance(each, str) for each in stops):
        raise _malformed("stop", "must be text or a list of texts")
    return stops


def _part_of(part: JsonObject, param: str) -> str | Image:
    if part.get("type") == "text" and isinstance(text := part.get("text"), str):
        return text
    picture = part.get("image_url")
    url = picture.get("url") if is_object(picture) else picture
    if isinstance(url, str) and url.startswith("data:image/"):
        kind, mark, data = url[len("data:image/") :].partition(";base64,")
        if mark and _is_base64(data):
            return Image(kind, data)
    raise _malformed(param, "may hold text, and pictures as base64 data URLs")


def _is_base64(data: str) -> bool:
    try:
        base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        return False
    return True


def _tool_use_of(call: object, param: str) -> ToolUse:
    function = call.get("function") if is_object(call) else None
    if not is_object(call) or not is_object(function):
        raise _malformed(param, "must be calls of functions")
    name, call_id = function.get("name"), call.get("id", "")
    if not isinstance(name, str) or not isinstance(call_id, str):
        raise _malformed(param, "must have names and ids in text")
    written = function.get("arguments") or "{}"
    try:
        if isinstance(written, str):
            check_depth(written.encode())
        arguments = orjson.loads(written) if isinstance(written, str) else written
    except orjson.JSONDecodeError:
        arguments = None
    if not is_object(arguments):
        raise _malformed(param, "must have arguments that are a JSON object")
    return ToolUse(call_id, name, arguments)


def _malformed(param: str, rule: str) -> InvalidRequest:
    return InvalidRequest(f"'{param}' {rule}.", param=param)
