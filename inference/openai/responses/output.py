"""The output of a response in the making: items, their parts, and events about them.

What an engine writes comes as deltas of a chat's message. Reasoning becomes an item,
what is said another, each call one of its own, numbered as they begin. Reasoning and
words end where another item begins; calls may be written in turns, and all end last.
A whole message is one large delta: streamed or not, the output is the same.

Only what the meter takes for text is text here: all else of a delta is read over, so
that nothing is shown that is not counted. Failure: none. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kit.json_values import JsonObject, is_array, is_object

_REASONING_FIELDS = ("reasoning", "reasoning_content")
# By part: what its events begin with, and under which name it holds its text.
_PARTS: Mapping[str, tuple[str, str]] = {
    "output_text": ("response.output_text", "text"),
    "reasoning_text": ("response.reasoning_text", "text"),
    "refusal": ("response.refusal", "refusal"),
}
_COMPLETED, _INCOMPLETE, _IN_PROGRESS = "completed", "incomplete", "in_progress"
_ID_PREFIXES: Mapping[str, str] = {
    "function_call": "fc",
    "message": "msg",
    "reasoning": "rs",
}

Events = list[JsonObject]


@dataclass(slots=True)
class _Part:
    """A piece of an item: text of one kind."""

    kind: str
    pieces: list[str] = field(default_factory=list[str])
    logprobs: list[JsonObject] = field(default_factory=list[JsonObject])

    def shown(self) -> JsonObject:
        """Return the part as far as it is written."""
        part: JsonObject = {
            "type": self.kind,
            _PARTS[self.kind][1]: "".join(self.pieces),
        }
        if self.kind == "output_text":
            part |= {"annotations": [], "logprobs": self.logprobs}
        return part


@dataclass(slots=True)
class _Item:
    """One item of the output. A call has a name and arguments, all else has parts."""

    kind: str
    key: str
    index: int
    call_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])
    parts: list[_Part] = field(default_factory=list[_Part])
    status: str = _IN_PROGRESS

    @property
    def item_id(self) -> str:
        """Return its id, which tells the kind, the response and the place in it."""
        return f"{_ID_PREFIXES[self.kind]}_{self.key}{self.index:03x}"

    def event(self, kind: str, **said: Any) -> JsonObject:
        """Return an event about something of the item."""
        return {
            "type": kind,
            "item_id": self.item_id,
            "output_index": self.index,
            **said,
        }

    def of_all(self, kind: str) -> JsonObject:
        """Return an event about the item as a whole."""
        return {"type": kind, "output_index": self.index, "item": self.shown()}

    def shown(self) -> JsonObject:
        """Return the item as far as it is written."""
        item: JsonObject = {
            "id": self.item_id,
            "type": self.kind,
            "status": self.status,
        }
        if self.kind == "function_call":
            return item | {
                "call_id": self.call_id,
                "name": self.name,
                "arguments": "".join(self.arguments),
            }
        parts = [part.shown() for part in self.parts]
        if self.kind == "reasoning":
            return item | {"summary": [], "content": parts}
        return item | {"role": "assistant", "content": parts}


class Output:
    """Takes in what a message says, and tells of it in events without numbers."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._items: list[_Item] = []
        # What is written now, if it is no call.
        self._open: _Item | None = None
        self._calls: dict[int, _Item] = {}
        self.characters = 0

    def __len__(self) -> int:
        """Return how many items have begun."""
        return len(self._items)

    def shown(self) -> list[JsonObject]:
        """Return the items as far as they are written."""
        return [item.shown() for item in self._items]

    def take(self, said: Mapping[str, Any], logprobs: Any = None) -> Events:
        """Take in a delta, or a whole message, with the probabilities of its tokens."""
        events: Events = []
        for name in _REASONING_FIELDS:
            if text := _text(said.get(name)):
                self._write("reasoning", "reasoning_text", text, events)
                break
        if text := _text(said.get("content")):
            self._write("message", "output_text", text, events, _logprobs(logprobs))
        if text := _text(said.get("refusal")):
            self._write("message", "refusal", text, events)
        calls = said.get("tool_calls")
        for position, call in enumerate(calls if is_array(calls) else ()):
            if is_object(call):
                self._call(call, position, events)
        return events

    def finish(self, *, is_cut: bool) -> Events:
        """End whatever is not ended; the last item may have been cut short."""
        events: Events = []
        last = self._items[-1] if self._items else None
        for item in self._items:
            if item.status == _IN_PROGRESS:
                is_whole = item is not last or not is_cut
                self._end(item, events, _COMPLETED if is_whole else _INCOMPLETE)
        self._open = None
        return events

    def _write(
        self,
        item_kind: str,
        part_kind: str,
        text: str,
        events: Events,
        logprobs: list[JsonObject] | None = None,
    ) -> None:
        """Add text to the part that is open, or begin the item or the part for it."""
        item = self._open
        if item is None or item.kind != item_kind:
            item = self._begin(_Item(item_kind, self._key, len(self._items)), events)
            self._open = item
        if not item.parts or item.parts[-1].kind != part_kind:
            if item.parts:
                _end_part(item, events)
            item.parts.append(_Part(part_kind))
            added = "response.content_part.added"
            events.append(_of_part(item, added, part=item.parts[-1].shown()))
        part = item.parts[-1]
        part.pieces.append(text)
        said: JsonObject = {"delta": text}
        if part_kind == "output_text":
            part.logprobs += logprobs or []
            said["logprobs"] = logprobs or []
        events.append(_of_part(item, f"{_PARTS[part_kind][0]}.delta", **said))
        self.characters += len(text)

    def _call(self, call: Mapping[str, Any], position: int, events: Events) -> None:
        """Take in a call, or a piece of one; pieces are known by the call's place."""
        place = call.get("index", position)
        function = call.get("function")
        if not isinstance(place, int) or not is_object(function):
            return
        name, arguments = _text(function.get("name")), _text(function.get("arguments"))
        item = self._calls.get(place)
        if item is None:
            item = _Item("function_call", self._key, len(self._items), name=name)
            item.call_id = _text(call.get("id")) or f"call_{self._key}{item.index:03x}"
            self._calls[place] = self._begin(item, events)
        else:
            item.name += name
        if arguments:
            item.arguments.append(arguments)
            delta = "response.function_call_arguments.delta"
            events.append(item.event(delta, delta=arguments))
        self.characters += len(name) + len(arguments)

    def _begin(self, item: _Item, events: Events) -> _Item:
        if self._open is not None:
            self._end(self._open, events, _COMPLETED)
            self._open = None
        self._items.append(item)
        events.append(item.of_all("response.output_item.added"))
        return item

    def _end(self, item: _Item, events: Events, status: str) -> None:
        item.status = status
        if item.kind == "function_call":
            arguments = "".join(item.arguments)
            done = "response.function_call_arguments.done"
            events.append(item.event(done, arguments=arguments))
        else:
            _end_part(item, events)
        events.append(item.of_all("response.output_item.done"))


def _end_part(item: _Item, events: Events) -> None:
    """Tell of the end of an item's last part, with all that it says."""
    part = item.parts[-1]
    prefix, name = _PARTS[part.kind]
    shown = part.shown()
    said: JsonObject = {name: shown[name]}
    if part.kind == "output_text":
        said["logprobs"] = part.logprobs
    events.append(_of_part(item, f"{prefix}.done", **said))
    events.append(_of_part(item, "response.content_part.done", part=shown))


def _of_part(item: _Item, kind: str, **said: Any) -> JsonObject:
    """Return an event about the part that an item has last."""
    return item.event(kind, content_index=len(item.parts) - 1, **said)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _logprobs(given: Any) -> list[JsonObject]:
    """Return the probabilities of a chat's tokens as a response's text has them."""
    tokens = given.get("content") if is_object(given) else None
    return [
        {
            **_logprob(token),
            "top_logprobs": [
                _logprob(other)
                for other in token.get("top_logprobs") or ()
                if is_object(other)
            ],
        }
        for token in (tokens if is_array(tokens) else ())
        if is_object(token)
    ]


def _logprob(token: Mapping[str, Any]) -> JsonObject:
    text, given = _text(token.get("token")), token.get("bytes")
    return {
        "token": text,
        "logprob": token.get("logprob"),
        "bytes": given if is_array(given) else list(text.encode()),
    }
