"""Put a streamed answer together: the object that the engine would have given at once.

Chat completions and completions, of any number of choices. Text, tool calls, reasoning,
refusals and probabilities are joined in the order in which they came; what says what a
thing is (ids, roles, types) is taken once. Fields that are not known here are kept.

Failure: an event that is no chunk, or more than `BYTES_MAX` of them, is a
`StreamFormatError`. Pure.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from inference.openai.shapes import DONE
from inference.openai.stream import StreamFormatError
from kit.json_values import JsonObject, is_array, is_object

BYTES_MAX = 64 * 1024 * 1024
_CHUNK_OF_A_CHAT = "chat.completion.chunk"
# They say which thing it is, each time or once, and are no text to be joined.
_NAMES = frozenset({"id", "role", "type"})
_ENDS = frozenset({"finish_reason", "stop_reason"})
_REASONING = ("reasoning", "reasoning_content")


class _Pieces(list[str]):
    """A text that has not ended: joined once, however many pieces it came in."""


class _Numbered(dict[int, dict[str, Any]]):
    """A list whose objects come in pieces, each with its place."""


class Reassembly:
    """Takes in the events of one stream."""

    def __init__(self) -> None:
        self._frame: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._usage: JsonObject | None = None
        self._bytes = 0

    @property
    def usage(self) -> JsonObject | None:
        """Return the usage of all choices, as the engine reported it at the end."""
        return self._usage

    def add(self, event: bytes) -> None:
        """Take in one event, as `EventSplitter` gives it."""
        if event == DONE or event.startswith(b":"):
            return
        self._bytes += len(event)
        if self._bytes > BYTES_MAX:
            raise StreamFormatError("an answer that is too large")
        try:
            chunk = orjson.loads(event)
        except orjson.JSONDecodeError as error:
            raise StreamFormatError("an event that is not JSON") from error
        if not is_object(chunk) or not is_array(choices := chunk.pop("choices", None)):
            raise StreamFormatError("an event without choices")
        usage = chunk.pop("usage", None)
        if not choices and is_object(usage):
            self._usage = usage
        for name, value in chunk.items():
            if self._frame.get(name) is None:
                self._frame[name] = value
        for choice in choices:
            self._add_choice(choice)

    def answer(self, *, usage: Mapping[str, Any], choices: int = 0) -> JsonObject:
        """Return the whole answer with this usage.

        A choice without an end was cut off for its length. With `choices`, those that
        have not begun are there too, empty.
        """
        for index in range(choices if self._choices else 0):
            self._choices.setdefault(index, self._empty(index))
        frame = dict(self._frame)
        is_chat = frame.get("object") == _CHUNK_OF_A_CHAT
        if is_chat:
            frame["object"] = "chat.completion"
        return {
            **frame,
            "choices": [
                _whole(choice, is_chat=is_chat)
                for _, choice in sorted(self._choices.items())
            ],
            "usage": dict(usage),
        }

    def _add_choice(self, choice: Any) -> None:
        index = choice.get("index", 0) if is_object(choice) else None
        if type(index) is not int:
            raise StreamFormatError("a choice without index")
        _merge(self._choices.setdefault(index, {"index": index}), choice)

    def _empty(self, index: int) -> dict[str, Any]:
        of_chat = self._frame.get("object") == _CHUNK_OF_A_CHAT
        empty: JsonObject = {"delta": {"content": ""}} if of_chat else {"text": ""}
        choice: dict[str, Any] = {"index": index}
        _merge(choice, empty)
        return choice


def _merge(into: dict[str, Any], piece: Mapping[str, Any]) -> None:
    """Add what a piece says to what the pieces before it said."""
    for name, value in piece.items():
        so_far = into.get(name)
        if value is None or name == "index":
            into.setdefault(name, value)
        elif isinstance(value, str) and name not in _NAMES and name not in _ENDS:
            if not isinstance(so_far, _Pieces):
                so_far = into[name] = _Pieces()
            so_far.append(value)
        elif is_object(value):
            if not is_object(so_far):
                so_far = into[name] = {}
            _merge(so_far, value)
        elif is_array(value):
            into[name] = _joined(name, so_far, value)
        elif name not in _NAMES or not so_far:
            into[name] = value


def _joined(name: str, so_far: Any, values: list[Any]) -> Any:
    """Add to a list; of tool calls, each may come in pieces."""
    if name != "tool_calls":
        if is_array(so_far):
            so_far.extend(values)
            return so_far
        return list(values)
    calls = so_far if isinstance(so_far, _Numbered) else _Numbered()
    for position, call in enumerate(values):
        if not is_object(call):
            raise StreamFormatError("a tool call that is not an object")
        index = call.get("index", position)
        if type(index) is not int:
            raise StreamFormatError("a tool call without index")
        _merge(calls.setdefault(index, {}), call)
    return calls


def _whole(choice: Mapping[str, Any], *, is_chat: bool) -> JsonObject:
    """Return a choice as a whole answer has it."""
    whole: JsonObject = {
        name: _plain(value) for name, value in choice.items() if name != "delta"
    }
    whole.setdefault("logprobs", None)
    if whole.get("finish_reason") is None:
        whole["finish_reason"] = "length"
    if not is_chat:
        whole.setdefault("text", "")
        return whole
    delta = choice.get("delta")
    message: JsonObject = _plain(delta) if is_object(delta) else {}
    message = {"role": "assistant", "content": None, "refusal": None, **message}
    if not message.get("tool_calls"):
        message.pop("tool_calls", None)
    if not message["content"]:
        # There was nothing to say, or nothing but this.
        others = ("tool_calls", "function_call", "refusal", *_REASONING)
        message["content"] = None if any(map(message.get, others)) else ""
    whole["message"] = message
    return whole


def _plain(value: Any) -> Any:
    """Return what was collected as what JSON knows."""
    if isinstance(value, _Pieces):
        return "".join(value)
    if isinstance(value, _Numbered):
        return [
            {name: _plain(part) for name, part in call.items() if name != "index"}
            for _, call in sorted(value.items())
        ]
    if is_object(value):
        return {name: _plain(part) for name, part in value.items()}
    return value
