"""Anthropic's turns as a chat's messages: what a block says goes where a chat has it.

A user's turn with tool results becomes one message for each and one for the rest, in
the order in which they stand. Thinking that an engine signed keeps its signature, for
an engine that checks it. What a chat has no place for is refused, never left out.

Failure: `InvalidRequest`, with the place. Pure.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from inference.anthropic.fields import flag_at, list_at, object_at, refuse, text_at
from inference.openai.limits import MESSAGES_MAX
from kit.json_values import JsonObject, is_array

# What a tool's failure is told by, for a chat has no field for it.
FAILED = "Error: "


def chat_messages(system: object, messages: object) -> list[JsonObject]:
    """Return a chat's messages."""
    chat: list[JsonObject] = []
    if system is not None:
        chat.append({"role": "system", "content": _texts(system, "system")})
    turns = list_at(messages, "messages")
    if not turns:
        raise refuse("'messages' must hold at least one message.", "messages")
    if len(turns) > MESSAGES_MAX:
        raise refuse(f"'messages' holds more than {MESSAGES_MAX}.", "messages")
    for number, value in enumerate(turns):
        where = f"messages[{number}]"
        turn = object_at(value, where)
        match turn.get("role"):
            case "user":
                chat += _of_user(turn.get("content"), f"{where}.content")
            case "assistant":
                chat.append(_of_assistant(turn.get("content"), f"{where}.content"))
            case "system":
                text = _texts(turn.get("content"), f"{where}.content")
                chat.append({"role": "system", "content": text})
            case _:
                raise refuse(
                    f"'{where}.role' must be one of assistant, system, user.",
                    f"{where}.role",
                )
    return chat


def _of_user(content: object, where: str) -> Iterator[JsonObject]:
    if isinstance(content, str):
        yield {"role": "user", "content": content}
        return
    parts: list[JsonObject] = []
    for place, block in _blocks(content, where):
        if block["type"] == "tool_result":
            if parts:
                yield {"role": "user", "content": _content(parts)}
                parts = []
            yield _tool_result(block, place)
        else:
            parts.append(_part(block, place))
    if parts:
        yield {"role": "user", "content": _content(parts)}


def _of_assistant(content: object, where: str) -> JsonObject:
    if isinstance(content, str):
        return {"role": "assistant", "content": content}
    message: JsonObject = {"role": "assistant"}
    parts: list[JsonObject] = []
    calls: list[JsonObject] = []
    thoughts: list[str] = []
    signed: list[JsonObject] = []
    for place, block in _blocks(content, where):
        match block["type"]:
            case "text":
                parts.append(_part(block, place))
            case "tool_use":
                calls.append(_tool_call(block, place))
            case "thinking":
                thought = text_at(block, "thinking", place)
                thoughts.append(thought)
                if signature := block.get("signature"):
                    signed.append(
                        {
                            "type": "thinking",
                            "thinking": thought,
                            "signature": signature,
                        }
                    )
            case "redacted_thinking":
                data = text_at(block, "data", place)
                signed.append({"type": "redacted_thinking", "data": data})
            case _:
                raise _unsupported(block, place)
    if parts:
        message["content"] = _content(parts)
    if calls:
        message["tool_calls"] = calls
    if thoughts:
        message["reasoning"] = "".join(thoughts)
    if signed:
        message["thinking_blocks"] = signed
    message.setdefault("content", None if calls else "")
    return message


def _tool_call(block: JsonObject, where: str) -> JsonObject:
    given = object_at(block.get("input"), f"{where}.input")
    return {
        "id": text_at(block, "id", where),
        "type": "function",
        "function": {
            "name": text_at(block, "name", where),
            "arguments": orjson.dumps(given).decode(),
        },
    }


def _tool_result(block: JsonObject, where: str) -> JsonObject:
    content = block.get("content")
    shown: str | list[JsonObject] = ""
    if isinstance(content, str):
        shown = content
    elif content is not None:
        blocks = _blocks(content, f"{where}.content")
        shown = _content([_part(part, place) for place, part in blocks])
    if flag_at(block, "is_error", where):
        if isinstance(shown, str):
            shown = FAILED + shown
        else:
            shown = [{"type": "text", "text": FAILED}, *shown]
    return {
        "role": "tool",
        "tool_call_id": text_at(block, "tool_use_id", where),
        "content": shown,
    }


def _part(block: JsonObject, where: str) -> JsonObject:
    match block["type"]:
        case "text":
            return {"type": "text", "text": text_at(block, "text", where)}
        case "image":
            return {"type": "image_url", "image_url": {"url": _image(block, where)}}
        case _:
            raise _unsupported(block, where)


def _image(block: JsonObject, where: str) -> str:
    """Return an image's address, which may hold the image itself."""
    where = f"{where}.source"
    source = object_at(block.get("source"), where)
    match source.get("type"):
        case "base64":
            kind = text_at(source, "media_type", where)
            return f"data:{kind};base64,{text_at(source, 'data', where)}"
        case "url":
            return text_at(source, "url", where)
        case _:
            raise refuse(
                f"'{where}.type' must be base64 or url.",
                f"{where}.type",
                code="unsupported_content",
            )


def _texts(value: object, where: str) -> str | list[JsonObject]:
    if isinstance(value, str):
        return value
    parts: list[JsonObject] = []
    for place, block in _blocks(value, where):
        if block["type"] != "text":
            raise _unsupported(block, place)
        parts.append(_part(block, place))
    return _content(parts)


def _content(parts: list[JsonObject]) -> str | list[JsonObject]:
    """Return parts as a message has them: a single text as every engine takes it."""
    if not parts:
        return ""
    if len(parts) == 1 and "text" in parts[0]:
        text: str = parts[0]["text"]
        return text
    return parts


def _blocks(value: object, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the blocks of a content, each with its place and a type that is text."""
    if not is_array(value):
        raise refuse(f"'{where}' must be text or a list of blocks.", where)
    for number, item in enumerate(value):
        place = f"{where}[{number}]"
        block = object_at(item, place)
        text_at(block, "type", place)
        yield place, block


def _unsupported(block: JsonObject, where: str) -> Exception:
    kind = str(block["type"])[:40]
    return refuse(
        f"'{where}' is a block of type '{kind}', which is not supported here.",
        where,
        code="unsupported_content",
    )
