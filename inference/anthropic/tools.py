"""Anthropic's tools as those of a chat: the client's own, and no server's. Pure."""

from typing import Any

from inference.anthropic.fields import (
    flag_at,
    list_at,
    object_at,
    only,
    refuse,
    text_at,
    type_at,
)
from kit.json_values import JsonObject

# How a tool's input streams, and what of it a cache keeps, is the engine's business.
_DROPPED = frozenset({"cache_control", "eager_input_streaming", "type"})
_KNOWN = _DROPPED | {"description", "input_schema", "name", "strict"}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def chat_tools(value: object) -> list[JsonObject]:
    """Return the tools of a chat; raises `InvalidRequest` for a server's tool."""
    return [
        _tool(object_at(tool, f"tools[{number}]"), f"tools[{number}]")
        for number, tool in enumerate(list_at(value, "tools"))
    ]


def chat_tool_choice(value: object) -> JsonObject:
    """Return the fields of a chat that say which tools may be called."""
    choice = object_at(value, "tool_choice")
    only(choice, {"type", "name", "disable_parallel_tool_use"}, "tool_choice")
    fields: JsonObject = {}
    kind = type_at(choice, "tool_choice")
    if kind == "tool":
        name = text_at(choice, "name", "tool_choice")
        fields["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif kind in _CHOICES:
        fields["tool_choice"] = _CHOICES[kind]
    else:
        raise refuse(
            "'tool_choice.type' must be one of any, auto, none, tool.",
            "tool_choice.type",
        )
    if flag_at(choice, "disable_parallel_tool_use", "tool_choice"):
        fields["parallel_tool_calls"] = False
    return fields


def _tool(tool: JsonObject, where: str) -> JsonObject:
    if tool.get("type") not in (None, "custom"):
        raise refuse(
            f"'{where}' is a tool that a server runs. Only your own tools, of type"
            " 'custom', are supported here.",
            where,
            code="unsupported_tool",
        )
    only(tool, _KNOWN, where)
    function: dict[str, Any] = {
        "name": text_at(tool, "name", where),
        "parameters": object_at(tool.get("input_schema"), f"{where}.input_schema"),
    }
    if tool.get("description") is not None:
        function["description"] = text_at(tool, "description", where)
    if flag_at(tool, "strict", where):
        function["strict"] = True
    return {"type": "function", "function": function}
