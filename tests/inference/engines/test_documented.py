"""What each engine sends becomes the same chunks and the same usage, however it is cut.

The exchanges are written after the engines' documentation; those of SageMaker are a
real vLLM's, in its frames. What no engine should send never ends in a bug of ours.
"""

import contextlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engines.backend import Envelope
from inference.engines.registry import BACKENDS
from inference.openai.answers import read_answer
from inference.openai.requests import GenerationRequest, parse
from inference.openai.sse import EVENT_BYTES_MAX, EventTooLargeError
from inference.openai.stream import StreamFormatError, StreamOptions, StreamTranslator
from inference.openai.tasks import Task
from inference.openai.usage import Tally
from kit.contracts import Surface, TokenCounts
from kit.errors import PlatformError
from tests.inference.engines import frames

CAPTURES = Path(__file__).parents[2] / "captures"
DOCUMENTED = CAPTURES / "documented"
ERRORS = [
    orjson.loads(line)
    for line in (DOCUMENTED / "errors.jsonl").read_bytes().splitlines()
]
ENVELOPE = Envelope("engine-model", f"{'0' * 32}-0")
# What stands in most of them: of 25 tokens in the prompt, 4 are cached.
CACHED = TokenCounts(input_tokens=21, cached_input_tokens=4, output_tokens=9)
REASONED = TokenCounts(
    input_tokens=21, cached_input_tokens=4, output_tokens=9, reasoning_tokens=3
)
HELLO = "Hello, Wörld!"
CALLS = [("get_weather", {"city": "Tokyo", "days": 2}), ("get_time", {})]


@dataclass(slots=True)
class Seen:
    """What became of one stream."""

    chunks: list[dict[str, Any]]
    counts: TokenCounts
    is_reported: bool
    is_whole: bool
    failure: Exception | None

    def said(self, *names: str) -> str:
        """Return what all chunks say under one of these names."""
        return "".join(
            str(choice["delta"].get(name) or "")
            if "delta" in choice
            else choice.get(name) or ""
            for chunk in self.chunks
            for choice in chunk["choices"]
            for name in names
        )

    @property
    def reasons(self) -> list[str]:
        """Return why it ended."""
        return [
            choice["finish_reason"]
            for chunk in self.chunks
            for choice in chunk["choices"]
            if choice["finish_reason"]
        ]

    @property
    def calls(self) -> list[tuple[str, Any]]:
        """Return the calls of tools, put together as an SDK does."""
        names: dict[int, str] = {}
        arguments: dict[int, str] = {}
        for chunk in self.chunks:
            for choice in chunk["choices"]:
                for call in choice["delta"].get("tool_calls", ()):
                    index, function = call["index"], call["function"]
                    names[index] = names.get(index, "") + function.get("name", "")
                    arguments[index] = arguments.get(index, "") + function["arguments"]
        return [(names[index], orjson.loads(arguments[index])) for index in names]


@dataclass(frozen=True, slots=True)
class Case:
    """A stream by its file, and what is to become of it."""

    file: str
    text: str = HELLO
    reasoning: str = ""
    reason: str = "stop"
    counts: TokenCounts = CACHED
    calls: list[tuple[str, Any]] = field(default_factory=list)
    surface: Surface = Surface.CHAT_COMPLETIONS

    @property
    def dialect(self) -> str:
        return self.file.partition("/")[0]

    @property
    def data(self) -> bytes:
        path = DOCUMENTED / self.file
        return frames.frames_of(path) if path.suffix == ".frames" else path.read_bytes()


GREETED = "They greet"
OLLAMA = TokenCounts(input_tokens=26, output_tokens=9)
TOOLED = TokenCounts(input_tokens=169, output_tokens=15)
CASES = [
    Case("ollama/chat.ndjson", reasoning=GREETED, counts=OLLAMA),
    Case("ollama/tools.ndjson", "", "", "tool_calls", TOOLED, CALLS),
    Case(
        "ollama/generate.ndjson",
        "The sky is blue",
        counts=TokenCounts(input_tokens=5, output_tokens=4),
        surface=Surface.COMPLETIONS,
    ),
    Case("bedrock/chat.frames", reasoning=GREETED),
    Case("bedrock/tools.frames", "", "", "tool_calls", TOOLED, CALLS),
    Case("sglang/chat.sse", reasoning=GREETED, counts=REASONED),
    Case("tgi/chat.sse", counts=TokenCounts(input_tokens=25, output_tokens=9)),
    Case("llamacpp/timed.sse", reasoning=GREETED),
]
FAILS = [
    ("ollama/fails.ndjson", "Hel", "engine_failed"),
    ("bedrock/fails.frames", "Hel", "engine_failed"),
    ("bedrock/throttled.frames", "", "engine_overloaded"),
    ("sglang/overflow.sse", "", "context_length_exceeded"),
    ("sglang/flat.sse", "", "context_length_exceeded"),
    ("sglang/aborted.sse", "Hel", "engine_failed"),
    ("tgi/overflow.sse", "", "context_length_exceeded"),
    ("tgi/fails.sse", "Hel", "engine_failed"),
    ("llamacpp/overflow.sse", "", "context_length_exceeded"),
]


def request_of(
    surface: Surface = Surface.CHAT_COMPLETIONS, **fields: object
) -> GenerationRequest:
    """Return a request for a stream."""
    asked: dict[str, object] = {"messages": [{"role": "user", "content": "Hi"}]}
    if surface is Surface.COMPLETIONS:
        asked = {"prompt": "Hi"}
    options = {"include_usage": True}
    body = {"model": "m", "stream": True, "stream_options": options, **asked, **fields}
    return parse(surface, orjson.dumps(body))


def see(dialect: str, parts: Iterable[bytes], request: GenerationRequest) -> Seen:
    """Read a stream as the gateway does."""
    reader = BACKENDS[dialect].reader(request, ENVELOPE)
    translator = StreamTranslator(
        StreamOptions(choices=1, include_usage=True, continuous_usage=False)
    )
    sent = b""
    for part in parts:
        sent += translator.feed(reader.feed(part))
        if translator.failure is not None:
            break
    sent += translator.held()
    return Seen(
        [orjson.loads(each[6:]) for each in sent.split(b"\n\n") if each[5:6] == b" "],
        translator.tally.counts(),
        translator.tally.is_reported,
        translator.is_whole,
        translator.failure,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_a_stream_says_the_same_at_every_cut(case: Case) -> None:
    request, data = request_of(case.surface), case.data
    seen = see(case.dialect, [data], request)
    assert seen.failure is None
    assert seen.is_whole
    assert seen.said("content", "text") == case.text
    assert seen.said("reasoning", "reasoning_content") == case.reasoning
    assert seen.reasons == [case.reason]
    assert seen.counts == case.counts
    if case.calls:
        assert seen.calls == case.calls
    for cut in range(len(data) + 1):
        assert see(case.dialect, [data[:cut], data[cut:]], request) == seen, cut
    for size in (1, 2, 3):
        dribs = [data[at : at + size] for at in range(0, len(data), size)]
        assert see(case.dialect, dribs, request) == seen


@pytest.mark.parametrize(("file", "text", "code"), FAILS)
def test_an_engine_s_failure_within_a_stream_is_told(
    file: str, text: str, code: str
) -> None:
    case = Case(file)
    for size in (1, 1_000_000):
        parts = [case.data[at : at + size] for at in range(0, len(case.data), size)]
        seen = see(case.dialect, parts, request_of())
        assert isinstance(seen.failure, PlatformError)
        assert (seen.said("content"), seen.failure.code) == (text, code)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Request failed during generation: CUDA", "engine_failed"),
        ("Incomplete generation", "engine_failed"),
        ("Model is overloaded", "engine_overloaded"),
        ("Input validation error: `stop` is empty", None),
    ],
)
def test_tgi_blames_the_request_for_whatever_fails_within_a_stream(
    words: str, code: str | None
) -> None:
    error = {"message": words, "http_status_code": 422}
    data = b"data: " + orjson.dumps({"error": error}) + b"\n\n"
    failure = see("tgi", [data], request_of()).failure
    assert isinstance(failure, PlatformError)
    assert failure.code == code


def test_a_count_that_is_not_named_is_no_count() -> None:
    data = (DOCUMENTED / "ollama/uncounted.ndjson").read_bytes()
    seen = see("ollama", [data], request_of())
    assert seen.is_whole
    assert not seen.is_reported
    assert seen.reasons == ["length"]


def test_llama_cpp_counts_as_it_goes() -> None:
    data = (DOCUMENTED / "llamacpp/timed.sse").read_bytes()
    broken = data[: data.index(b"W\xc3\xb6rld")]
    seen = see("llamacpp", [broken], request_of())
    assert seen.counts == TokenCounts(
        input_tokens=21, cached_input_tokens=4, output_tokens=5
    )
    assert all("timings" not in chunk for chunk in seen.chunks)


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_container_s_stream_is_put_together(size: int, lines: bool) -> None:
    stream = (CAPTURES / "vllm" / "chat_stream_usage.sse").read_bytes()
    plain = see("vllm", [stream], request_of())
    assert plain.is_whole
    if lines:
        events = [each for each in stream.split(b"\n\n") if each[6:7] == b"{"]
        stream = b"".join(each[6:] + b"\n" for each in events)
    data = frames.payload_parts(stream, size)
    for cut in (1, 13, 1000, len(data)):
        parts = [data[at : at + cut] for at in range(0, len(data), cut)]
        if len(parts) < 50_000:
            assert see("sagemaker", parts, request_of()) == plain


@pytest.mark.parametrize(
    ("file", "counts"), [("ollama/chat.json", OLLAMA), ("bedrock/chat.json", CACHED)]
)
def test_a_whole_answer_is_a_chat(file: str, counts: TokenCounts) -> None:
    backend = BACKENDS[file.partition("/")[0]]
    body = backend.answer((DOCUMENTED / file).read_bytes(), request_of(), ENVELOPE)
    answer = read_answer(body, Task.CHAT, tally := Tally())
    [choice] = answer.json["choices"]
    assert choice["message"]["content"] == HELLO
    assert choice["message"]["reasoning"] == GREETED
    assert choice["finish_reason"] == "stop"
    assert tally.counts() == counts


def test_a_whole_answer_that_calls_a_tool_ends_with_that() -> None:
    call = {"function": {"name": "look", "arguments": {"a": "b"}}}
    said = {"role": "assistant", "content": "", "tool_calls": [call]}
    record = {"message": said, "done": True, "done_reason": "stop"}
    body = BACKENDS["ollama"].answer(orjson.dumps(record), request_of(), ENVELOPE)
    [choice] = orjson.loads(body)["choices"]
    assert choice["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case["dialect"])
def test_an_error_is_told_in_our_words(case: dict[str, Any]) -> None:
    body = case["body"]
    data = body.encode() if isinstance(body, str) else orjson.dumps(body)
    error = BACKENDS[case["dialect"]].error(case["status"], data)
    assert error.code == case["code"]
    if error.status >= 500:
        assert "arn:" not in error.message


HOSTILE = [case for case in CASES if case.surface is Surface.CHAT_COMPLETIONS]


@given(
    st.sampled_from(HOSTILE),
    st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=12)), max_size=4),
    st.integers(1, 500),
)
def test_damaged_bytes_are_a_fault_of_the_engine_s(
    case: Case, damages: list[tuple[int, bytes]], size: int
) -> None:
    data = bytearray(case.data)
    for at, new in damages:
        data[at % len(data) : at % len(data) + len(new)] = new
    parts = [bytes(data[at : at + size]) for at in range(0, len(data), size)]
    with contextlib.suppress(StreamFormatError, EventTooLargeError):
        see(case.dialect, parts, request_of())


@given(st.sampled_from(sorted(BACKENDS)), st.binary(max_size=200))
def test_random_bytes_are_a_fault_of_the_engine_s(dialect: str, data: bytes) -> None:
    backend, request = BACKENDS[dialect], request_of()
    assert isinstance(backend.error(400, data), PlatformError)
    try:
        backend.reader(request, ENVELOPE).feed(data)
        backend.answer(data, request, ENVELOPE)
    except (StreamFormatError, EventTooLargeError):
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(HOSTILE), st.data())
def test_json_of_another_shape_is_a_fault_of_the_engine_s(
    case: Case, data: st.DataObject
) -> None:
    """Each value of each record may be anything."""
    lines = (DOCUMENTED / case.file).read_bytes().split(b"\n")
    records = [orjson.loads(line) for line in lines if line[:1] == b"{"]
    if not records:
        return
    number = data.draw(st.integers(0, len(records) - 1))
    _spoil(records[number].get("payload", records[number]), data)
    if case.file.endswith(".frames"):
        stream = b"".join(
            frames.event(each["event"], orjson.dumps(each["payload"]))
            for each in records
        )
    else:
        stream = b"".join(orjson.dumps(each) + b"\n" for each in records)
    with contextlib.suppress(StreamFormatError, EventTooLargeError):
        see(case.dialect, [stream], request_of())


def _spoil(value: Any, data: st.DataObject) -> None:
    """Replace one thing somewhere inside."""
    while isinstance(value, dict) and value:
        name = data.draw(st.sampled_from(sorted(value)))
        inner = value[name]
        if not isinstance(inner, dict | list) or data.draw(st.booleans()):
            value[name] = data.draw(json_values.filter(_is_writable))
            return
        value = inner[0] if isinstance(inner, list) and inner else inner


def _is_writable(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("dialect", ["ollama", "sagemaker", "bedrock", "sglang"])
def test_what_never_ends_is_refused(dialect: str) -> None:
    reader = BACKENDS[dialect].reader(request_of(), ENVELOPE)
    endless = b"x" * (EVENT_BYTES_MAX // 8)
    if dialect in {"sagemaker", "bedrock"}:
        endless = frames.event("chunk", b"x" * (2 * EVENT_BYTES_MAX))[:-4]
    pieces = chain.from_iterable(reader.feed(endless) for _ in range(10))
    with pytest.raises(EventTooLargeError):
        list(pieces)


@pytest.mark.parametrize("at", [0, 5, 9, 13, 30, -6, -1])
def test_a_damaged_frame_is_never_read(at: int) -> None:
    data = bytearray(frames.event("messageStart", b'{"role":"assistant"}'))
    data[at] ^= 1
    reader = BACKENDS["bedrock"].reader(request_of(), ENVELOPE)
    with pytest.raises(StreamFormatError):
        reader.feed(bytes(data))


def test_a_frame_that_says_it_is_shorter_than_its_frame_is_refused() -> None:
    prelude = struct.pack(">II", 0, 0)
    reader = BACKENDS["bedrock"].reader(request_of(), ENVELOPE)
    with pytest.raises(StreamFormatError):
        reader.feed(prelude + struct.pack(">I", crc32(prelude)) + b"\0" * 64)
