"""What becomes of an engine's events on their way: counted, cleaned, split.

Running usage is always asked of the engine and hidden from clients that did not ask.
What follows the last token (the finish, the usage, the end mark) is held until the
usage event is committed; a finish that carries text is split so that the text goes at
once. Pure: bytes in, bytes out.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

from inference.openai.errors import from_stream, rename_model
from inference.openai.shapes import DONE, PLAIN, Shape
from inference.openai.transcript import Transcript
from inference.openai.usage import TOKENS_MAX, Tally, UsageError
from kit.contracts import TokenCounts
from kit.errors import EngineFailed, PlatformError
from kit.json_values import JsonObject, is_array, is_object
from kit.records import record

# What all chunks of one stream have in common.
_FRAME = ("id", "object", "created", "model")

# A chunk of one choice that goes on, as vLLM writes it, running usage last. It is
# anchored at the end, where a usage object inside another one would close one brace
# more, and a quote inside a JSON string is escaped, so text of the model cannot match
# it. Text without a token is looked at closely.
_GOES_ON = b'"finish_reason":null'
_PLAIN = re.compile(
    rb'("finish_reason":null[^{}]*\}\]),"usage":\{"prompt_tokens":(\d{1,9})'
    rb',"total_tokens":\d+,"completion_tokens":([1-9]\d{0,8})(?:,"[a-z_]+":null)*\}\}$'
)
# How vLLM and SGLang finish what they give up, as when they are told to stop.
ABORTED = "abort"
# What may follow the last token: the finish of each choice and the usage.
HELD_BYTES_MAX = 1024 * 1024
# How far an engine may go beyond the tokens that it was asked for, and beyond one chunk
# for each; how many events of a stream may bring nothing, as those that keep it alive.
TOKENS_BEYOND = 8
CHUNKS_BEYOND = 1024
IDLE_EVENTS_MAX = 10_000


class StreamFormatError(Exception):
    """The engine sent an event that is not what its dialect promises."""


def refuse_aborted(choice: Any) -> None:
    """Raise for a choice that the engine gave up: part of an answer is no answer."""
    if is_object(choice) and choice.get("finish_reason") == ABORTED:
        raise EngineFailed("The engine stopped before it had finished this answer.")


@record(frozen=True, slots=True)
class StreamOptions:
    """How the client asked for its stream."""

    choices: int
    include_usage: bool
    continuous_usage: bool
    # The engine's name of the model and the public one, where they differ.
    rename: tuple[str, str] | None = None
    prompts: int = 1
    shape: Shape = PLAIN
    # The most that each choice was to have.
    output_tokens_max: int | None = None
    # More than the prompts can be, together.
    prompt_tokens_max: int = TOKENS_MAX


class StreamTranslator:
    """Turns one stream's events into the client's bytes, and keeps the tally."""

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._shape = options.shape
        self._keeps_usage = options.continuous_usage or options.shape.wants_usage
        self._has_one_choice = options.choices == 1
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._rename: tuple[bytes, bytes] | None = None
        if options.rename is not None:
            engine, public = (orjson.dumps(name) for name in options.rename)
            self._rename = (b'"model":' + engine, b'"model":' + public)
        self._frame: dict[str, Any] = {}
        self.tally = Tally(
            prompts=options.prompts,
            choices_per_prompt=options.choices // options.prompts,
            prompt_tokens_max=options.prompt_tokens_max,
        )
        # Text that no usage has covered yet; empty while the engine counts as it goes.
        self.transcript = Transcript()
        # How many events carried text, or a call, or tokens of it.
        self.chunks = 0
        self.is_done = False
        self._events = 0
        self._tokens_max, self._chunks_max = _bounds(options)
        # What ends the stream, to be raised once what came before it is sent.
        self.failure: Exception | None = None

    @property
    def is_plain(self) -> bool:
        """Tell whether each event is shown by itself, whatever comes of the others."""
        return self._shape is PLAIN and not self.transcript

    @property
    def is_finished(self) -> bool:
        """Tell whether every choice has its finish: no token follows."""
        return len(self._finished) >= self._options.choices

    @property
    def is_whole(self) -> bool:
        """Tell whether the stream may end here: nothing that began is unfinished.

        An engine that makes fewer choices than were asked for says so by its end mark.
        """
        if self.is_finished:
            return True
        return self.is_done and bool(self._finished) and self._begun <= self._finished

    @property
    def is_complete(self) -> bool:
        """Tell whether all is there: every finish and the usage, or the end mark."""
        if not self._finished:
            return self.is_done
        return self.is_done or (self.is_finished and self.tally.is_final)

    def feed(self, events: list[bytes]) -> bytes:
        """Take in events and return what may be sent to the client now."""
        out: list[bytes] = []
        try:
            for event in events:
                self._feed(event, out)
        except (PlatformError, StreamFormatError, UsageError) as failure:
            self.failure = failure
        self._events += len(events)
        if (
            self.tally.output_tokens > self._tokens_max
            or self.chunks > self._chunks_max
            or self._events - self.chunks > IDLE_EVENTS_MAX
        ):
            self.failure = StreamFormatError("an answer that does not end")
            return b""
        return b"".join(out)

    def take_back(self) -> None:
        """Note that what was fed last will never be sent."""
        self._shape.take_back()

    def held(self) -> bytes:
        """Return what came behind the last token."""
        return b"".join(self._held)

    def ending(self, counts: TokenCounts) -> bytes:
        """Return all that follows the last token, to be sent after the commit.

        A client that asked for usage gets what was counted where the engine said none.
        """
        held = list(self._held)
        if self._options.include_usage and not self.tally.is_final:
            chunk: JsonObject = {
                **self._frame,
                "choices": [],
                "usage": usage_of(counts),
            }
            held.append(self._shown(orjson.dumps(chunk)))
        return b"".join((*held, self._shape.ending(counts)))

    def _feed(self, event: bytes, out: list[bytes]) -> None:
        plain: re.Match[bytes] | None = None
        if self._has_one_choice and not self._held:
            at = event.rfind(_GOES_ON)
            # What came on several lines has to leave on one.
            if at > 0 and b"\n" not in event:
                plain = _PLAIN.match(event, at)
        if plain is not None:
            if not event.isascii():
                _check_text(event)
            self.chunks += 1
            self.tally.running(0, int(plain[2]), int(plain[3]))
            if self.transcript:
                self.transcript.cover()
            if not self._keeps_usage:
                event = event[: plain.end(1)] + b"}"
            out.append(self._shown(event))
        elif event == DONE:
            self.is_done = True
        elif event.startswith(b":"):
            comment = event + b"\n\n"
            if self._held:
                self._keep(comment)
            else:
                out.append(comment)
        else:
            self._feed_parsed(event, out)

    def _feed_parsed(self, event: bytes, out: list[bytes]) -> None:
        chunk = _parsed(event)
        if (error := chunk.get("error")) is not None:
            raise self._failed(error)
        self._note_name(chunk.get("model"))
        choices = chunk.get("choices")
        if not is_array(choices):
            raise StreamFormatError("an event without choices")
        usage = chunk.get("usage")
        if not choices:
            self._feed_choiceless(chunk, usage, out)
            return
        indexes = [_index(choice) for choice in choices]
        for choice in choices:
            refuse_aborted(choice)
        if is_object(usage):
            self._count(indexes, usage)
        if not is_object(usage) or not usage.get("completion_tokens"):
            # A count of nothing covers no text.
            self._transcribe(chunk, indexes)
        if not self._keeps_usage:
            chunk.pop("usage", None)
        self._begun.update(indexes)
        for index, choice in zip(indexes, choices, strict=True):
            if choice.get("finish_reason") is not None:
                self._finished.add(index)
        if not self.is_finished:
            self.chunks += _any_carries(choices)
            out.append(self._shown(orjson.dumps(chunk)))
            return
        if not self._held and (text := _text_part(chunk)) is not None:
            self.chunks += 1
            out.append(self._shown(orjson.dumps(text)))
        self._hold(chunk)

    def _feed_choiceless(
        self, chunk: Mapping[str, Any], usage: Any, out: list[bytes]
    ) -> None:
        """Take in the final usage, or whatever else an engine says beside choices."""
        if is_object(usage) and self.is_finished:
            if self.transcript and not usage.get("completion_tokens"):
                raise UsageError("text of no tokens cannot be")
            self.tally.final(usage)
            self.transcript.cover()
            if self._options.include_usage:
                self._hold(chunk)
        elif is_object(usage):
            # Text may follow, and with it more usage: this is how it stands now.
            self.tally.total(usage)
            self.transcript.cover()
        elif self.is_finished:
            self._hold(chunk)
        else:
            out.append(self._shown(orjson.dumps(chunk)))

    def _count(self, indexes: list[int], usage: Mapping[str, Any]) -> None:
        prompt, output = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if type(prompt) is not int or type(output) is not int:
            raise StreamFormatError("usage that is not integers")
        self.tally.details(usage)
        if len(indexes) == 1:
            self.tally.running(indexes[0], prompt, output)
            if output:
                self.transcript.cover(indexes[0])
        else:
            # Several choices in one chunk share one count: a total, not one choice's.
            self.tally.at_least(prompt, output)
            self.transcript.cover()

    def _transcribe(self, chunk: Mapping[str, Any], indexes: list[int]) -> None:
        """Keep the text of a chunk that says nothing of usage."""
        for index, choice in zip(indexes, chunk["choices"], strict=True):
            self.transcript.add(index, choice)
        if not self._frame:
            self._frame = {name: chunk[name] for name in _FRAME if name in chunk}

    def _failed(self, error: Any) -> PlatformError:
        failure = from_stream(error if is_object(error) else {})
        if self._options.rename is not None:
            rename_model(failure, *self._options.rename)
        return failure

    def _note_name(self, said: Any) -> None:
        """Learn what the engine calls the model: services name a version of it.

        What is not parsed comes of engines that say the same in every chunk, and their
        first one is parsed.
        """
        if self._rename is not None and isinstance(said, str):
            self._rename = b'"model":' + orjson.dumps(said), self._rename[1]

    def _hold(self, chunk: Mapping[str, Any]) -> None:
        self._keep(self._shown(orjson.dumps(chunk)))

    def _keep(self, data: bytes) -> None:
        self._held_bytes += len(data)
        if self._held_bytes > HELD_BYTES_MAX:
            raise StreamFormatError("a stream that goes on after its finish")
        self._held.append(data)

    def _shown(self, event: bytes) -> bytes:
        """Return an event as the client gets it."""
        if self._rename is not None:
            event = event.replace(*self._rename, 1)
        return self._shape.event(event)


def tokens_bound(options: StreamOptions) -> float:
    """Return how many tokens an answer may have before it is not believed."""
    asked = options.output_tokens_max
    return math.inf if asked is None else (asked + TOKENS_BEYOND) * options.choices


def _bounds(options: StreamOptions) -> tuple[float, float]:
    """Return how many tokens and chunks a stream may have before it is cut off.

    An engine that does not count as it goes is known by its chunks alone, of which a
    token seldom makes more than one.
    """
    tokens = tokens_bound(options)
    return tokens, 2 * tokens + CHUNKS_BEYOND


def usage_of(counts: TokenCounts) -> dict[str, Any]:
    """Return counts of ours in the API's own shape."""
    prompt = counts.input_tokens + counts.cached_input_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": counts.output_tokens,
        "total_tokens": prompt + counts.output_tokens,
    }


def _check_text(event: bytes) -> None:
    """Raise unless an event that is not parsed is text: clients fail on what is not."""
    try:
        event.decode()
    except UnicodeDecodeError as error:
        raise StreamFormatError("an event that is not UTF-8") from error


def _parsed(event: bytes) -> dict[str, Any]:
    try:
        chunk = orjson.loads(event)
    except orjson.JSONDecodeError as error:
        raise StreamFormatError("an event that is not JSON") from error
    if not is_object(chunk):
        raise StreamFormatError("an event that is not an object")
    return chunk


def _index(choice: Any) -> int:
    index = choice.get("index", 0) if is_object(choice) else None
    if type(index) is not int:
        raise StreamFormatError("a choice without index")
    return index


def _carries(choice: Any) -> bool:
    """Tell whether a choice brings anything of an answer."""
    delta = choice.get("delta")
    if is_object(delta):
        return any(
            value not in (None, "", [])
            for name, value in delta.items()
            if name != "role"
        )
    return bool(choice.get("text"))


def _any_carries(choices: list[Any]) -> bool:
    return any(map(_carries, choices))


def _text_part(chunk: dict[str, Any]) -> dict[str, Any] | None:
    """Take text out of a finishing chunk; return it as its own chunk, or None."""
    carries = False
    text_choices: list[JsonObject] = []
    for choice in chunk["choices"]:
        text_choice = {**choice, "finish_reason": None}
        text_choice.pop("stop_reason", None)
        text_choices.append(text_choice)
        if _carries(choice):
            carries = True
            if is_object(choice.get("delta")):
                choice["delta"] = {}
            else:
                choice["text"] = ""
            choice["logprobs"] = None
    return {**chunk, "choices": text_choices} if carries else None
