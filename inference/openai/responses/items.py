"""Read what a response is to be made of: items become the messages of a chat.

What the assistant did in one turn (its reasoning, its words, its calls) is several
items here and one message there, so that items which follow each other are put
together. An item of a tool that we do not run, or one that only names something stored
elsewhere, is refused by its type: left out, it would change what the model is asked.
Pure.
"""

from collections.abc import Mapping
from typing import Any

from kit.errors import InvalidRequest
from kit.json_values import JsonObject, is_array, is_object

# A developer's word is a system's: most templates know only the latter.
_ROLES = {
    "assistant": "assistant",
    "developer": "system",
    "system": "system",
    "user": "user",
}
# Under which name a part holds its text.
_TEXTS = {
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
    "text": "text",
}


def messages_of(given: Any, *, instructions: Any) -> list[JsonObject]:
    """Return the chat that an input is; raises `InvalidRequest` naming the item."""
    chat = _Chat()
    if instructions is not None:
        chat.say("system", text_of(instructions, "instructions"))
    if isinstance(given, str):
        chat.say("user", given)
    elif is_array(given) and given:
        for position, item in enumerate(given):
            _add(chat, item, f"input[{position}]")
    else:
        raise InvalidRequest(
            "'input' must be text or a list of at least one item.", param="input"
        )
    return chat.messages


def text_of(value: Any, param: str) -> str:
    """Return a text; raises for what is none."""
    if not isinstance(value, str):
        raise InvalidRequest(f"'{param}' must be a string.", param=param)
    return value


class _Chat:
    """Messages in the making; the last may be a turn of the assistant's."""

    def __init__(self) -> None:
        self.messages: list[JsonObject] = []
        # What was thought, and belongs to what is said or called next.
        self._thoughts: list[str] = []

    def say(self, role: str, content: Any) -> None:
        """Add a message."""
        if role == "assistant":
            self._turn(content)
        else:
            self._thoughts.clear()
            self.messages.append({"role": role, "content": content})

    def think(self, text: str) -> None:
        """Add reasoning to what the assistant does next."""
        if text:
            self._thoughts.append(text)

    def call(self, call: JsonObject) -> None:
        """Add a call to the assistant's turn."""
        last = self.messages[-1] if self.messages else {}
        if last.get("role") != "assistant" or self._thoughts:
            last = self._turn(None)
        last.setdefault("tool_calls", []).append(call)

    def result(self, call_id: str, content: Any) -> None:
        """Add what came of a call."""
        self._thoughts.clear()
        self.messages.append(
            {"role": "tool", "tool_call_id": call_id, "content": content}
        )

    def _turn(self, content: Any) -> JsonObject:
        turn: JsonObject = {"role": "assistant", "content": content}
        if self._thoughts:
            turn["reasoning"] = "\n".join(self._thoughts)
            self._thoughts.clear()
        self.messages.append(turn)
        return turn


def _add(chat: _Chat, item: Any, param: str) -> None:
    if not is_object(item):
        raise InvalidRequest(f"'{param}' must be an object.", param=param)
    match _type_of(item):
        case "message":
            _add_message(chat, item, param)
        case "function_call":
            chat.call(_call_of(item, param))
        case "function_call_output":
            call_id = text_of(item.get("call_id"), f"{param}.call_id")
            chat.result(call_id, _content(item.get("output"), f"{param}.output"))
        case "reasoning":
            chat.think(_thought(item))
        case "item_reference":
            raise InvalidRequest(
                "Nothing is stored here that an item could refer to. Send the item"
                f" itself in place of '{param}'.",
                param=param,
                code="unsupported_item",
            )
        case other:
            raise InvalidRequest(
                f"Items of type '{str(other)[:100]}' are not supported ('{param}').",
                param=f"{param}.type",
                code="unsupported_item",
            )


def _type_of(item: Mapping[str, Any]) -> Any:
    """Return an item's type; messages and references may leave it out."""
    if (kind := item.get("type")) is not None:
        return kind
    if "role" in item:
        return "message"
    return "item_reference" if "id" in item else "none"


def _add_message(chat: _Chat, item: Mapping[str, Any], param: str) -> None:
    given = item.get("role")
    role = _ROLES.get(given) if isinstance(given, str) else None
    if role is None:
        raise InvalidRequest(
            f"'{param}.role' must be one of {', '.join(sorted(_ROLES))}.",
            param=f"{param}.role",
        )
    content = _content(item.get("content"), f"{param}.content")
    if role == "assistant" and is_array(content):
        if any(part["type"] != "text" for part in content):
            raise InvalidRequest(
                f"'{param}.content' of the assistant may hold text only.",
                param=f"{param}.content",
                code="unsupported_content",
            )
        # It was one text when the model wrote it.
        content = "".join(part["text"] for part in content)
    chat.say(role, content)


def _content(content: Any, param: str) -> str | list[JsonObject]:
    """Return a message's content: a text, or parts where one text cannot say it."""
    if isinstance(content, str):
        return content
    if not is_array(content):
        raise InvalidRequest(f"'{param}' must be text or a list of parts.", param=param)
    parts = [
        _part(part, f"{param}[{position}]") for position, part in enumerate(content)
    ]
    if not parts:
        return ""
    if len(parts) == 1 and parts[0]["type"] == "text":
        text: str = parts[0]["text"]
        return text
    return parts


def _part(part: Any, param: str) -> JsonObject:
    if not is_object(part):
        raise InvalidRequest(f"'{param}' must be an object.", param=param)
    kind = part.get("type")
    if isinstance(kind, str) and kind in _TEXTS:
        name = _TEXTS[kind]
        return {"type": "text", "text": text_of(part.get(name), f"{param}.{name}")}
    if kind == "input_image":
        return _image(part, param)
    raise InvalidRequest(
        f"Parts of type '{str(kind)[:100]}' are not supported ('{param}').",
        param=f"{param}.type",
        code="unsupported_content",
    )


def _image(part: Mapping[str, Any], param: str) -> JsonObject:
    if part.get("file_id") is not None:
        raise InvalidRequest(
            "Files are not stored here. Send the image in 'image_url'.",
            param=f"{param}.file_id",
            code="unsupported_content",
        )
    image = {"url": text_of(part.get("image_url"), f"{param}.image_url")}
    if (detail := part.get("detail")) is not None:
        image["detail"] = text_of(detail, f"{param}.detail")
    return {"type": "image_url", "image_url": image}


def _call_of(item: Mapping[str, Any], param: str) -> JsonObject:
    call_id, name, arguments = (
        text_of(item.get(field), f"{param}.{field}")
        for field in ("call_id", "name", "arguments")
    )
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def _thought(item: Mapping[str, Any]) -> str:
    """Return what was thought, or else its summary; what is encrypted stays so."""
    for name in ("content", "summary"):
        parts = item.get(name)
        texts = [
            part["text"]
            for part in (parts if is_array(parts) else ())
            if is_object(part) and isinstance(part.get("text"), str)
        ]
        if any(texts):
            return "\n".join(texts)
    return ""
