"""From the engine's events to the client's: counted, cleaned, the end held back."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.openai.sse import EventSplitter
from inference.openai.stream import (
    StreamFormatError,
    StreamOptions,
    StreamTranslator,
)
from inference.openai.usage import UsageError
from kit.contracts import TokenCounts
from kit.errors import (
    ContextLengthExceeded,
    EngineFailed,
    InvalidRequest,
)
from tests.inference.engines import wire

LOOKALIKES = [
    ',"usage":{"prompt_tokens":9,"total_tokens":18,"completion_tokens":9}}',
    '"finish_reason":"stop"',
    'data: [DONE]\n\n',
    '\\","usage":{"prompt_tokens":9,"total_tokens":18,"completion_tokens":9}}',
    '"model":"engine-model"',
]  # fmt: skip


def options(
    *,
    choices: int = 1,
    include: bool = False,
    continuous: bool = False,
    rename: tuple[str, str] | None = None,
) -> StreamOptions:
    """Return how a client asked."""
    return StreamOptions(choices, include, continuous, rename)


def translate(
    translator: StreamTranslator, *events: bytes
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Feed events; return what goes at once and what is held, without the mark."""
    out = translator.feed(EventSplitter().feed(b"".join(events)))
    return _parsed(out), _parsed(translator.held())


def _parsed(data: bytes) -> list[dict[str, Any]]:
    events = EventSplitter().feed(data)
    return [orjson.loads(event) for event in events if event != b"[DONE]"]


def contents(chunks: list[dict[str, Any]]) -> list[str]:
    """Return the texts of chunks, choice by choice."""
    return [c["delta"].get("content", "") for chunk in chunks for c in chunk["choices"]]


@pytest.mark.parametrize("last", [wire.usage(9), b""])
@pytest.mark.parametrize("details", [None, {"cached_tokens": 2}])
def test_usage_before_the_text_is_not_the_last_word(
    last: bytes, details: dict[str, int] | None
) -> None:
    translator = StreamTranslator(options(include=True))
    text = wire.event(wire.chat_chunk({"content": "one"}))
    end = wire.event(wire.chat_chunk({}, reason="stop"))
    first = wire.running(0) | {"prompt_tokens_details": details}
    sent, held = translate(translator, wire.usage(0, usage=first), text, end)
    assert [chunk["choices"][0]["delta"] for chunk in sent] == [{"content": "one"}]
    assert len(held) == 1
    assert not translator.is_complete
    translate(translator, last or wire.DONE)
    assert translator.is_complete
    assert translator.tally.counts().output_tokens == (9 if last else 0)
    assert translator.transcript.generated() == ([] if last else ["one"])


@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("continuous", [False, True])
def test_usage_is_counted_always_and_shown_as_asked(
    include: bool, continuous: bool
) -> None:
    translator = StreamTranslator(
        options(include=include, continuous=include and continuous)
    )
    sent, held = translate(
        translator, wire.token(1), wire.token(2), wire.finish(2), wire.usage(2),
        wire.DONE,
    )  # fmt: skip
    shown = include and continuous
    assert [("usage" in chunk) for chunk in sent] == [shown, shown]
    assert [("usage" in chunk) for chunk in held] == [shown] + [True] * include
    assert contents(sent) == [" t1", " t2"]
    assert translator.tally.counts().output_tokens == 2
    assert translator.tally.counts().input_tokens == wire.PROMPT_TOKENS
    assert translator.is_done
    assert translator.is_finished
    assert translator.ending(TokenCounts()).endswith(b"data: [DONE]\n\n")


def test_the_finish_is_held_and_its_text_is_not() -> None:
    translator = StreamTranslator(options())
    sent, held = translate(translator, wire.token(1), wire.finish(2, text=" t2"))
    assert contents(sent) == [" t1", " t2"]
    assert [c["finish_reason"] for chunk in sent for c in chunk["choices"]] == [
        None
    ] * 2
    assert contents(held) == [""]
    assert held[0]["choices"][0]["finish_reason"] == "stop"


def test_the_finish_of_a_completion_and_of_a_tool_call_is_split_too() -> None:
    base = wire.chat_chunk({})
    call = {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}
    for choice in (
        {"index": 0, "text": " end", "logprobs": {"tokens": [" end"]}},
        {"index": 0, "delta": call, "logprobs": {"content": [1]}},
    ):
        ending = {**choice, "finish_reason": "stop", "stop_reason": 7}
        translator = StreamTranslator(options())
        sent, held = translate(translator, wire.event(base | {"choices": [ending]}))
        assert sent[0]["choices"] == [{**choice, "finish_reason": None}]
        assert held[0]["choices"][0]["finish_reason"] == "stop"
        assert held[0]["choices"][0]["logprobs"] is None
        assert not held[0]["choices"][0].get("text")
        assert not held[0]["choices"][0].get("delta")


def test_with_several_choices_only_what_follows_the_last_finish_is_held() -> None:
    translator = StreamTranslator(options(choices=2))
    sent, held = translate(
        translator,
        wire.token(1, index=0), wire.token(1, index=1), wire.finish(2, text=" t2"),
        wire.token(2, index=1), wire.token(3, index=1), wire.finish(3, index=1),
        wire.usage(5), wire.DONE,
    )  # fmt: skip
    assert contents(sent) == [" t1", " t1", " t2", " t2", " t3"]
    assert contents(held) == [""]
    assert translator.tally.output_tokens == 5


def test_running_counts_of_choices_are_summed_and_never_added_twice() -> None:
    translator = StreamTranslator(options(choices=3))
    translate(
        translator, wire.token(4, index=0), wire.token(4, index=0),
        wire.token(2, index=1), wire.token(4, index=0), wire.token(1, index=2),
    )  # fmt: skip
    assert translator.tally.output_tokens == 7
    both = wire.chat_chunk({"content": "x"})
    both["choices"] += [both["choices"][0] | {"index": 1}]
    translate(translator, wire.event(both | {"usage": wire.running(6)}))
    assert translator.tally.output_tokens == 7


@pytest.mark.parametrize("text", LOOKALIKES)
@pytest.mark.parametrize("choices", [1, 2])
def test_text_that_looks_like_our_business_is_text(text: str, choices: int) -> None:
    rename = ("engine-model", "public")
    translator = StreamTranslator(options(choices=choices, rename=rename))
    chunk = wire.chat_chunk({"content": text})
    sent, held = translate(
        translator,
        wire.event(chunk | {"usage": wire.running(1)}),
        wire.event(chunk),
        wire.finish(2, text=text),
    )
    assert contents(sent) == [text] * 3
    assert contents(held) == ([""] if choices == 1 else [])
    assert translator.tally.output_tokens == 2
    assert {chunk["model"] for chunk in sent} == {"public"}
    assert not any("usage" in chunk for chunk in sent)


@given(st.text(max_size=30), st.booleans())
def test_every_text_comes_through_as_it_was(text: str, with_usage: bool) -> None:
    translator = StreamTranslator(options())
    chunk = wire.chat_chunk({"content": text})
    usage = {"usage": wire.running(3)} if with_usage else {}
    sent, _ = translate(translator, wire.event(chunk | usage))
    assert sent == [chunk]
    assert translator.tally.output_tokens == 3 * with_usage


@pytest.mark.parametrize("more", [{}, {"completion_tokens_details": None}])
@pytest.mark.parametrize("extra", [{}, {"system_fingerprint": "x"}])
def test_usage_is_found_in_any_chunk_and_any_shape(
    more: dict[str, None], extra: dict[str, str]
) -> None:
    translator = StreamTranslator(options())
    usage = {"usage": wire.running(4) | more}
    role = wire.chat_chunk({"role": "assistant", "content": ""})
    sent, _ = translate(translator, wire.event(role | usage | extra))
    assert sent == [role | extra]
    assert translator.tally.output_tokens == 4


def test_cached_and_reasoning_shares_are_taken_from_a_chunk_with_choices() -> None:
    """An engine may report its usage on the finish and send no chunk of its own."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
    translator = StreamTranslator(options())
    translate(
        translator,
        b"data: " + orjson.dumps({"choices": [choice], "usage": usage}) + b"\n\n",
    )
    counts = translator.tally.counts()
    assert (counts.input_tokens, counts.cached_input_tokens) == (2, 8)
    assert (counts.output_tokens, counts.reasoning_tokens) == (4, 3)


def test_an_inner_usage_is_not_the_chunk_s() -> None:
    translator = StreamTranslator(options())
    chunk = wire.chat_chunk({"content": "x"})
    chunk["choices"][0]["usage"] = wire.running(99)
    sent, _ = translate(translator, wire.event(chunk))
    assert sent == [chunk]
    assert translator.tally.output_tokens == 0


def test_the_engine_s_name_is_replaced_everywhere() -> None:
    translator = StreamTranslator(
        options(include=True, rename=("engine-model", 'pu"blic'))
    )
    sent, held = translate(
        translator, wire.token(1), wire.finish(1, text="x"), wire.usage(1)
    )
    assert {chunk["model"] for chunk in sent + held} == {'pu"blic'}
    assert len(held) == 2


def test_a_chunk_on_several_lines_leaves_as_one() -> None:
    """A client that reads line by line would lose what is behind the first."""
    lines = (
        b'data: {"id":"1","model":"m",\ndata: "choices":[{"index":0,"delta":'
        b'{"content":"Hi"},"finish_reason":null}],"usage":{"prompt_tokens":3,'
        b'"total_tokens":4,"completion_tokens":1}}\n\n'
    )
    translator = StreamTranslator(options())
    sent, _ = translate(translator, lines)
    assert contents(sent) == ["Hi"]
    assert translator.tally.counts() == TokenCounts(input_tokens=3, output_tokens=1)


def test_comments_keep_their_place() -> None:
    translator = StreamTranslator(options())
    out = translator.feed([b": keep-alive", wire.token(1)[6:-2], b": still"])
    assert out.startswith(b": keep-alive\n\ndata: ")
    assert out.endswith(b": still\n\n")
    translator.feed([wire.finish(1)[6:-2]])
    assert translator.feed([b": late"]) == b""
    assert translator.held().endswith(b": late\n\n")


def test_a_chunk_beside_choices_goes_at_once_and_does_not_hold_the_finish_up() -> None:
    translator = StreamTranslator(options())
    aside = wire.chat_chunk({}) | {"choices": [], "prompt_filter_results": []}
    sent, held = translate(
        translator, wire.event(aside), wire.token(1), wire.finish(2, text=" t2")
    )
    assert sent[0] == aside
    assert contents(sent) == [" t1", " t2"]
    assert len(held) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "boom", "code": 500}, EngineFailed),
        ({"message": "boom"}, EngineFailed),
        ({}, EngineFailed),
        ("boom", EngineFailed),
        (["boom"], EngineFailed),
        ({"message": "no", "code": 400, "param": "x"}, InvalidRequest),
        (
            {"message": "maximum context length", "code": 400},
            ContextLengthExceeded,
        ),
        ({"message": "x", "code": 404}, EngineFailed),
        ({"message": "x", "code": "400"}, EngineFailed),
    ],
)
def test_an_error_event_ends_the_stream_after_what_came_before(
    error: object, kind: type[Exception]
) -> None:
    translator = StreamTranslator(options())
    out = translator.feed(
        [wire.token(1)[6:-2], orjson.dumps({"error": error}), wire.token(2)[6:-2]]
    )
    assert contents(_parsed(out)) == [" t1"]
    assert type(translator.failure) is kind
    assert translator.tally.output_tokens == 1


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (b"{", StreamFormatError),
        (b"[]", StreamFormatError),
        (b"null", StreamFormatError),
        (b"{}", StreamFormatError),
        (b'{"choices":{}}', StreamFormatError),
        (b'{"choices":[1]}', StreamFormatError),
        (b'{"choices":[{"index":"0"}]}', StreamFormatError),
        (b'{"object":"error","message":"flat"}', StreamFormatError),
        (b'{"choices":[{"index":0}],"usage":{}}', StreamFormatError),
        (b'{"choices":[],"usage":{"completion_tokens":-1}}', UsageError),
        (wire.token(999_999_999)[6:-2], UsageError),
        (b'{"choices":[{"index":0}],'
         b'"usage":{"prompt_tokens":1,"completion_tokens":9999999999}}', UsageError),
    ],
)  # fmt: skip
def test_what_makes_no_sense_ends_the_stream_after_what_came_before(
    event: bytes, kind: type[Exception]
) -> None:
    translator = StreamTranslator(options())
    out = translator.feed([wire.token(1)[6:-2], event])
    assert contents(_parsed(out)) == [" t1"]
    assert type(translator.failure) is kind


def test_null_usage_and_an_absent_index_are_what_other_engines_send() -> None:
    translator = StreamTranslator(options())
    chunk = wire.chat_chunk({"content": "x"})
    del chunk["choices"][0]["index"]
    sent, _ = translate(translator, wire.event(chunk | {"usage": None}))
    assert sent == [chunk]
    assert translator.failure is None


def test_a_stream_of_fewer_choices_is_whole_once_its_end_mark_has_come() -> None:
    """llama-cpp-python takes `n` and makes one choice."""
    translator = StreamTranslator(
        StreamOptions(choices=2, include_usage=False, continuous_usage=False)
    )
    begun = [orjson.dumps(wire.chat_chunk({"content": "a"}))]
    translator.feed(begun)
    translator.feed([orjson.dumps(wire.chat_chunk({}, reason="stop"))])
    assert not translator.is_whole
    translator.feed([b"[DONE]"])
    assert translator.is_whole


def test_a_choice_that_began_and_never_finished_is_missed() -> None:
    translator = StreamTranslator(
        StreamOptions(choices=2, include_usage=False, continuous_usage=False)
    )
    translator.feed([orjson.dumps(wire.chat_chunk({"content": "a"}, index=1))])
    translator.feed([orjson.dumps(wire.chat_chunk({}, reason="stop")), b"[DONE]"])
    assert not translator.is_whole


def test_an_end_mark_alone_makes_nothing_whole() -> None:
    translator = StreamTranslator(
        StreamOptions(choices=1, include_usage=False, continuous_usage=False)
    )
    translator.feed([b"[DONE]"])
    assert not translator.is_whole
