"""Read a whole answer: that it is one, what it used, and which text nobody counted.

What is to be in it depends on the task. An engine that says nothing of usage leaves a
transcript of what it wrote; of what only reads its prompt, nothing is left to be
counted but that. Failure: `StreamFormatError` for what is no answer, `UsageError` for
usage that cannot be, and the engine's own error in our words. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import field

import orjson

from inference.openai.errors import from_stream
from inference.openai.stream import StreamFormatError, refuse_aborted
from inference.openai.tasks import Task
from inference.openai.transcript import Transcript
from inference.openai.usage import Tally, UsageError
from kit.json_values import JsonObject, is_array, is_object
from kit.records import record

# Under which name the things are that were asked for.
_LISTS: Mapping[Task, str] = {
    Task.CHAT: "choices",
    Task.COMPLETION: "choices",
    Task.EMBEDDING: "data",
    Task.RERANK: "results",
    Task.SCORE: "data",
}


# Above this, vectors are left out of what is parsed: an object for each number of
# 20 MiB would take half a second, while the event loop waits.
PARSED_BYTES_MAX = 64 * 1024
_VECTOR = re.compile(rb'"embedding"\s*:\s*\[')
_VECTOR_BYTES = b"0123456789+-.eE, \n\r\t"


@record(frozen=True, slots=True)
class Answer:
    """A whole answer in the OpenAI API's form; of a large one without its vectors."""

    json: JsonObject
    tally: Tally
    transcript: Transcript = field(default_factory=Transcript)


def read_answer(body: bytes, task: Task, tally: Tally) -> Answer:
    """Read an answer; `tally` takes in what it says of usage."""
    json = _json_of(body, task)
    usage = json.get("usage")
    if not is_object(usage):
        transcript = Transcript.of_answer(json) if task.generates else Transcript()
        return Answer(json, tally, transcript)
    if not task.generates:
        if usage.get("completion_tokens"):
            raise UsageError("output where there can be none")
        # The total tells where the prompt is not said: nothing else was used.
        prompt = usage.get("prompt_tokens", usage.get("total_tokens"))
        usage = {**usage, "prompt_tokens": prompt, "completion_tokens": 0}
    elif not usage.get("completion_tokens") and Transcript.of_answer(json):
        raise UsageError("text of no tokens cannot be")
    tally.final(usage)
    return Answer(json, tally)


def _without_vectors(body: bytes) -> bytes:
    """Empty the vectors of an answer, where they hold nothing but numbers.

    The name that opens one stands in quotes, which within a text would be escaped.
    """
    parts: list[bytes] = []
    read = 0
    while opening := _VECTOR.search(body, read):
        start = opening.end()
        end = body.find(b"]", start)
        if end < 0 or body[start:end].translate(None, _VECTOR_BYTES):
            # It is read as it stands, and found to be none.
            return body
        parts.append(body[read:start])
        read = end
    return b"".join([*parts, body[read:]])


def _json_of(body: bytes, task: Task) -> JsonObject:
    if task is Task.EMBEDDING and len(body) > PARSED_BYTES_MAX:
        body = _without_vectors(body)
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise StreamFormatError("an answer that is not JSON") from error
    if not is_object(answer):
        raise StreamFormatError("an answer that is not an object")
    name = _LISTS[task]
    fault = answer.get("error")
    if fault is not None and not answer.get(name):
        raise from_stream(fault if is_object(fault) else {})
    things = answer.get(name)
    if not is_array(things) or not things:
        raise StreamFormatError(f"an answer without {name}")
    if task.generates:
        for choice in things:
            refuse_aborted(choice)
    return answer
