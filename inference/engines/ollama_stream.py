"""Read Ollama's lines: parts of a message, and with the last one its counts.

Failure: a line that is no record is a `StreamFormatError`; an error that the engine
says within a stream becomes one in the OpenAI API's form.
"""

from typing import Any

import orjson

from inference.engines.backend import Envelope
from inference.engines.chunks import DONE, ChunkWriter, Used, fault, tool_call
from inference.engines.lines import LineSplitter
from inference.openai.stream import StreamFormatError
from inference.openai.tasks import Task
from kit.json_values import JsonObject, is_array, is_object

_REASONS = {"stop": "stop", "length": "length"}


class OllamaReader:
    """Turns one answer's lines into chunks."""

    def __init__(self, envelope: Envelope, task: Task) -> None:
        self._envelope = envelope
        self._task = task
        self._lines = LineSplitter()
        self._writer = ChunkWriter(envelope, task)
        self._calls = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the chunks of the lines they complete."""
        return [event for line in self._lines.feed(data) for event in self._read(line)]

    def calls_of(self, message: JsonObject) -> list[JsonObject]:
        """Return the calls of tools in a message, with ids of ours: it has none."""
        calls = message.get("tool_calls")
        if calls is None:
            return []
        if not is_array(calls):
            raise StreamFormatError("calls that are no list")
        return [self._call_of(call) for call in calls]

    def reason_of(self, record: JsonObject) -> str:
        """Return why an answer ended."""
        reason = record.get("done_reason", "stop")
        if not isinstance(reason, str) or reason not in _REASONS:
            # "load" and "unload" answer a chat without messages, which nobody sends.
            raise StreamFormatError("an end that ends no answer")
        if self._calls and reason == "stop":
            return "tool_calls"
        return _REASONS[reason]

    def _read(self, line: bytes) -> list[bytes]:
        record = _record_of(line)
        if (error := record.get("error")) is not None:
            text = error if isinstance(error, str) else ""
            return [fault(text[:1000], 400 if "context length" in text else 500)]
        events = self._parts(record)
        if record.get("done") is not True:
            return events
        events.append(self._writer.finish(self.reason_of(record)))
        if (used := used_of(record)) is not None:
            events.append(self._writer.usage(used))
        return [*events, DONE]

    def _parts(self, record: JsonObject) -> list[bytes]:
        if self._task is not Task.CHAT:
            text = record.get("response")
            return [self._writer.text(text)] if isinstance(text, str) and text else []
        message = record.get("message")
        if message is None:
            return []
        if not is_object(message):
            raise StreamFormatError("a message that is none")
        delta: dict[str, Any] = {}
        for theirs, ours in (("thinking", "reasoning"), ("content", "content")):
            if isinstance(text := message.get(theirs), str) and text:
                delta[ours] = text
        begins = self._calls
        if calls := self.calls_of(message):
            delta["tool_calls"] = [
                {"index": index, **call} for index, call in enumerate(calls, begins)
            ]
        return [self._writer.delta(**delta)] if delta else []

    def _call_of(self, call: object) -> JsonObject:
        function = call.get("function") if is_object(call) else None
        if not is_object(function) or not isinstance(function.get("name"), str):
            raise StreamFormatError("a call of nothing")
        self._calls += 1
        call_id = f"call_{self._envelope.attempt_id}_{self._calls}"
        return tool_call(call_id, function["name"], function.get("arguments") or {})


def used_of(record: JsonObject) -> Used | None:
    """Return what an answer used; None unless both counts are there.

    Ollama leaves out a count of nothing, so one that is missing tells nothing.
    """
    prompt, output = record.get("prompt_eval_count"), record.get("eval_count")
    if prompt is None or output is None:
        return None
    if type(prompt) is not int or type(output) is not int:
        raise StreamFormatError("usage that is not integers")
    return Used(prompt, output) if prompt > 0 and output > 0 else None


def _record_of(line: bytes) -> JsonObject:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise StreamFormatError("a line that is not JSON") from error
    if not is_object(record):
        raise StreamFormatError("a line that is not an object")
    return record
