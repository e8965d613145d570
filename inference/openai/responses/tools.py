"""Read which tools a response may call, how, and in what form it is to be written.

Functions are the caller's own, and all that a model behind the gateway can call. A tool
that would have to be run here (a search, a file store, a shell) is refused by its type.
Pure.
"""

from collections.abc import Mapping
from typing import Any

from inference.openai.responses.items import text_of
from kit.errors import InvalidRequest
from kit.json_values import JsonObject, is_array, is_object

_MODES = frozenset({"auto", "none", "required"})
_FUNCTION = "function"


def tools_of(given: Any) -> list[JsonObject]:
    """Return functions as a response shows them, each with all of its fields."""
    if given is None:
        return []
    if not is_array(given):
        raise InvalidRequest("'tools' must be a list.", param="tools")
    return [
        _function(tool, f"tools[{position}]") for position, tool in enumerate(given)
    ]


def _function(tool: Any, param: str) -> JsonObject:
    kind = tool.get("type") if is_object(tool) else None
    if kind != _FUNCTION:
        raise InvalidRequest(
            f"Tools of type '{str(kind)[:100]}' are not supported ('{param}'): only"
            " 'function' is.",
            param=f"{param}.type",
            code="unsupported_tool",
        )
    name, parameters = tool.get("name"), tool.get("parameters")
    description, strict = tool.get("description"), tool.get("strict")
    if not text_of(name, f"{param}.name"):
        raise InvalidRequest("A function needs a name.", param=f"{param}.name")
    if parameters is not None and not is_object(parameters):
        raise InvalidRequest(
            f"'{param}.parameters' must be a JSON schema.", param=f"{param}.parameters"
        )
    if description is not None:
        text_of(description, f"{param}.description")
    if strict is not None and not isinstance(strict, bool):
        raise InvalidRequest(
            f"'{param}.strict' must be true or false.", param=f"{param}.strict"
        )
    return {
        "type": _FUNCTION,
        "name": name,
        "description": description,
        "parameters": parameters,
        "strict": strict,
    }


def chat_tools(tools: list[JsonObject], choice: Any) -> JsonObject:
    """Return the fields of a chat that offer these tools, none where there are none."""
    chosen, names = _choice(choice)
    if names is not None:
        known = {tool["name"] for tool in tools}
        if missing := [name for name in names if name not in known]:
            raise InvalidRequest(
                f"'tool_choice' names '{missing[0][:100]}', which is not in 'tools'.",
                param="tool_choice",
            )
        if isinstance(chosen, str):
            tools = [tool for tool in tools if tool["name"] in names]
    if not tools and chosen != "required":
        # An engine refuses to be told how to choose among none.
        return {}
    fields: JsonObject = {"tools": [_chat_tool(tool) for tool in tools]}
    if choice is not None:
        fields["tool_choice"] = chosen
    return fields


def _chat_tool(tool: Mapping[str, Any]) -> JsonObject:
    function = {
        name: value
        for name, value in tool.items()
        if name != "type" and value is not None
    }
    return {"type": _FUNCTION, "function": function}


def _choice(choice: Any) -> tuple[str | JsonObject, list[str] | None]:
    """Return a choice in a chat's words, and the functions that it names, if any."""
    if choice is None:
        return "auto", None
    if isinstance(choice, str) and choice in _MODES:
        return choice, None
    kind = choice.get("type") if is_object(choice) else choice
    if is_object(choice) and kind == _FUNCTION:
        name = text_of(choice.get("name"), "tool_choice.name")
        return {"type": _FUNCTION, "function": {"name": name}}, [name]
    if is_object(choice) and kind == "allowed_tools":
        mode, listed = choice.get("mode"), choice.get("tools")
        if mode in ("auto", "required") and is_array(listed):
            return mode, [_allowed(tool) for tool in listed]
        raise InvalidRequest(
            "'tool_choice' needs 'mode', auto or required, and a list 'tools'.",
            param="tool_choice",
        )
    raise InvalidRequest(
        f"'tool_choice' of type '{str(kind)[:100]}' is not supported.",
        param="tool_choice",
        code="unsupported_tool",
    )


def _allowed(tool: Any) -> str:
    if not is_object(tool) or tool.get("type") != _FUNCTION:
        raise InvalidRequest(
            "'tool_choice.tools' may hold functions only.",
            param="tool_choice.tools",
            code="unsupported_tool",
        )
    return text_of(tool.get("name"), "tool_choice.tools")


def response_format(text: Any) -> JsonObject | None:
    """Return the chat's `response_format` for a `text` field; None for plain text."""
    if text is None:
        return None
    if not is_object(text):
        raise InvalidRequest("'text' must be an object.", param="text")
    given = text.get("format")
    kind = given.get("type") if is_object(given) else given
    if given is None or kind == "text":
        return None
    if kind == "json_object":
        return {"type": "json_object"}
    if kind != "json_schema":
        raise InvalidRequest(
            f"'text.format' of type '{str(kind)[:100]}' is not supported.",
            param="text.format.type",
        )
    if not is_object(given.get("schema")):
        raise InvalidRequest(
            "'text.format.schema' must be a JSON schema.", param="text.format.schema"
        )
    text_of(given.get("name"), "text.format.name")
    schema = {
        name: given[name]
        for name in ("name", "description", "schema", "strict")
        if given.get(name) is not None
    }
    return {"type": "json_schema", "json_schema": schema}
