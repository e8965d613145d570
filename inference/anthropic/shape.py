"""Show a chat's answer as Anthropic's Messages API does: blocks, one after another.

A chat's chunk says what was added to a text, to thinking or to a call of a tool;
Anthropic's events open a block, add to it and close it. Usage stands in the first
event, as far as it is known by then, and in the last but one, as it was settled.

Failure: `StreamFormatError` where an engine goes back to a call that it had left, for a
block that is closed cannot be added to. Pure.
"""

from collections.abc import Iterator, Mapping

import orjson

from inference.anthropic.errors import AnthropicErrors, framed
from inference.openai.stream import StreamFormatError
from kit.contracts import TokenCounts
from kit.json_values import JsonObject, is_array, is_object

_REASONS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_REASONING = ("reasoning", "reasoning_content")


class MessagesShape(AnthropicErrors):
    """How one answer is shown; `stops` are the texts that were to end it."""

    wants_usage = True

    def __init__(self, stops: frozenset[str] = frozenset()) -> None:
        self._stops = stops
        self._is_begun = False
        # Of the block that is open: its number, and what is in it.
        self._number = -1
        self._open: str | None = None
        self._calls: set[int] = set()
        self._ended: JsonObject = {"stop_reason": "end_turn", "stop_sequence": None}

    def event(self, chunk: bytes) -> bytes:
        """Return the events that a chunk makes."""
        body: JsonObject = orjson.loads(chunk)
        out: list[bytes] = []
        if not self._is_begun:
            self._is_begun = True
            out.append(framed("message_start", _message_start(body)))
        for choice in body.get("choices") or ():
            delta = choice.get("delta")
            if is_object(delta):
                self._add(delta, out)
            if (reason := choice.get("finish_reason")) is not None:
                self._close(out)
                self._ended = self._end(
                    reason, choice.get("stop_reason"), bool(self._calls)
                )
        return b"".join(out)

    def take_back(self) -> None:
        """Do nothing: an error is all that may follow, and it tells of no other."""

    def ending(self, counts: TokenCounts) -> bytes:
        """Return why it ended and what it used, and the end mark."""
        return framed(
            "message_delta",
            {
                "type": "message_delta",
                "delta": self._ended,
                "usage": usage_of(counts),
            },
        ) + framed("message_stop", {"type": "message_stop"})

    def answer(self, answer: JsonObject, counts: TokenCounts) -> JsonObject:
        """Return a whole answer as a message."""
        first = answer["choices"][0]
        choice: JsonObject = first if is_object(first) else {}
        said = choice.get("message")
        content = list(_blocks(said)) if is_object(said) else []
        called = any(block["type"] == "tool_use" for block in content)
        return {
            "id": _id_of(answer),
            "type": "message",
            "role": "assistant",
            "model": answer.get("model", ""),
            "content": content,
            **self._end(choice.get("finish_reason"), choice.get("stop_reason"), called),
            "usage": usage_of(counts),
        }

    def _add(self, delta: JsonObject, out: list[bytes]) -> None:
        if thought := _reasoning_of(delta):
            self._into("thinking", {"thinking": "", "signature": ""}, out)
            self._delta({"type": "thinking_delta", "thinking": thought}, out)
        self._add_signed(delta.get("thinking_blocks"), out)
        for name in ("content", "refusal"):
            # What is no text, the meter does not count either.
            if isinstance(text := delta.get(name), str) and text:
                self._into("text", {"text": ""}, out)
                self._delta({"type": "text_delta", "text": text}, out)
        calls = delta.get("tool_calls")
        for position, call in enumerate(calls if is_array(calls) else ()):
            if is_object(call):
                self._add_call(call, position, out)

    def _add_signed(self, blocks: object, out: list[bytes]) -> None:
        """Add what an engine signed: of thinking the signature, for it was shown."""
        for block in blocks if is_array(blocks) else ():
            if not is_object(block):
                continue
            if block.get("type") == "redacted_thinking":
                self._close(out)
                self._into("redacted_thinking", {"data": block.get("data")}, out)
                self._close(out)
            elif signature := block.get("signature"):
                self._into("thinking", {"thinking": "", "signature": ""}, out)
                self._delta({"type": "signature_delta", "signature": signature}, out)
                self._close(out)

    def _add_call(self, call: JsonObject, position: int, out: list[bytes]) -> None:
        index = call.get("index", position)
        function = call.get("function")
        function = function if is_object(function) else {}
        name = f"tool_use {index}"
        if self._open != name:
            if index in self._calls:
                raise StreamFormatError("a tool call that was left and goes on")
            self._calls.add(index)
            block: JsonObject = {
                "id": call.get("id") or f"toolu_{index}",
                "name": function.get("name") or "",
                "input": {},
            }
            self._into(name, block, out)
        arguments = function.get("arguments")
        if isinstance(arguments, str) and arguments:
            self._delta(
                {"type": "input_json_delta", "partial_json": arguments},
                out,
            )

    def _into(self, name: str, block: JsonObject, out: list[bytes]) -> None:
        """Open a block, unless what is open is of that name."""
        if self._open == name:
            return
        self._close(out)
        self._number += 1
        self._open = name
        out.append(
            framed(
                "content_block_start",
                {
                    "type": "content_block_start",
                    "index": self._number,
                    "content_block": {"type": name.partition(" ")[0], **block},
                },
            )
        )

    def _delta(self, delta: JsonObject, out: list[bytes]) -> None:
        event = {"type": "content_block_delta", "index": self._number, "delta": delta}
        out.append(framed("content_block_delta", event))

    def _close(self, out: list[bytes]) -> None:
        if self._open is None:
            return
        self._open = None
        event = {"type": "content_block_stop", "index": self._number}
        out.append(framed("content_block_stop", event))

    def _end(self, reason: object, stopped_at: object, called: bool) -> JsonObject:
        """Return why an answer ended, and at which of the client's texts."""
        if isinstance(stopped_at, str) and stopped_at in self._stops:
            return {"stop_reason": "stop_sequence", "stop_sequence": stopped_at}
        name = _REASONS.get(str(reason), "end_turn")
        if name == "end_turn" and called:
            # An engine that was told which tool to call says no more than "stop".
            name = "tool_use"
        return {"stop_reason": name, "stop_sequence": None}


def usage_of(counts: TokenCounts) -> JsonObject:
    """Return counts of ours as Anthropic's usage: what was cached stands beside."""
    usage: JsonObject = {
        "input_tokens": counts.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": counts.cached_input_tokens,
        "output_tokens": counts.output_tokens,
    }
    if counts.reasoning_tokens:
        thinking = {"thinking_tokens": counts.reasoning_tokens}
        usage["output_tokens_details"] = thinking
    return usage


def _message_start(chunk: JsonObject) -> JsonObject:
    usage = chunk.get("usage")
    usage = usage if is_object(usage) else {}
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if is_object(details) else 0
    cached = cached or 0
    prompt = usage.get("prompt_tokens") or 0
    counts = TokenCounts(
        input_tokens=max(0, prompt - cached), cached_input_tokens=cached
    )
    message: JsonObject = {
        "id": _id_of(chunk),
        "type": "message",
        "role": "assistant",
        "model": chunk.get("model", ""),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_of(counts),
    }
    return {"type": "message_start", "message": message}


def _blocks(said: JsonObject) -> Iterator[JsonObject]:
    """Return the blocks of a whole answer, in the order of a stream."""
    signed = said.get("thinking_blocks")
    if is_array(signed) and signed:
        yield from signed
    elif thought := _reasoning_of(said):
        yield {"type": "thinking", "thinking": thought, "signature": ""}
    for name in ("content", "refusal"):
        if isinstance(text := said.get(name), str) and text:
            yield {"type": "text", "text": text}
    calls = said.get("tool_calls")
    for number, call in enumerate(calls if is_array(calls) else ()):
        function = call.get("function") if is_object(call) else None
        if not is_object(function):
            continue
        yield {
            "type": "tool_use",
            "id": call.get("id") or f"toolu_{number}",
            "name": function.get("name") or "",
            "input": _input_of(function.get("arguments")),
        }


def _input_of(arguments: object) -> JsonObject:
    """Return a call's arguments; what a model wrote that is no object stays visible."""
    if not isinstance(arguments, str) or not arguments:
        return {}
    try:
        value: object = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        value = None
    return value if is_object(value) else {"arguments": arguments}


def _reasoning_of(said: JsonObject) -> str:
    for name in _REASONING:
        if isinstance(text := said.get(name), str) and text:
            return text
    return ""


def _id_of(answer: JsonObject) -> str:
    """Return Anthropic's form of an answer's id."""
    own = str(answer.get("id") or "")
    if own.startswith("msg_"):
        return own
    return "msg_" + own.removeprefix("chatcmpl-")
