"""A streamed answer put together is the one that the engine gives at once.

The witness for text and tool calls is the openai SDK, which puts streams together with
code of its own.
"""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat._completions import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from inference.openai.reassembly import Reassembly
from inference.openai.sse import EventSplitter
from inference.openai.stream import StreamFormatError

CAPTURES = Path(__file__).parents[2] / "captures"
CHATS = sorted(CAPTURES.glob("*/chat_stream*.sse"))
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def reassembled(data: bytes, **more: Any) -> dict[str, Any]:
    """Put a stream's bytes together."""
    reassembly = Reassembly()
    for part in EventSplitter().feed(data):
        reassembly.add(part)
    return reassembly.answer(usage=reassembly.usage or USAGE, **more)


def stream(*chunks: dict[str, Any]) -> bytes:
    """Return chunks as a stream."""
    frame = {
        "id": "c-1",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "m",
    }
    return b"".join(
        b"data: " + orjson.dumps(frame | chunk) + b"\n\n" for chunk in chunks
    )


def delta(index: int = 0, *, end: str | None = None, **said: Any) -> dict[str, Any]:
    """Return a chunk of one choice."""
    return {"choices": [{"index": index, "delta": said, "finish_reason": end}]}


def by_the_sdk(data: bytes) -> ChatCompletion:
    """Put the same together with the SDK."""
    state: Any = ChatCompletionStreamState()
    for event in EventSplitter().feed(data):
        if event != b"[DONE]":
            state.handle_chunk(ChatCompletionChunk.model_validate_json(event))
    completion: ChatCompletion = state.current_completion_snapshot
    return completion


def test_there_are_captures_of_both_engines() -> None:
    assert {path.parent.name for path in CHATS} == {"vllm", "llamacpp"}


@pytest.mark.parametrize(
    "path", CHATS, ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_captures_say_what_the_sdk_reads(path: Path) -> None:
    data = path.read_bytes()
    got = ChatCompletion.model_validate(reassembled(data))
    expected = by_the_sdk(data)
    assert (got.id, got.model, got.created) == (
        expected.id,
        expected.model,
        expected.created,
    )
    assert got.object == "chat.completion"
    assert len(got.choices) == len(expected.choices)
    for mine, theirs in zip(got.choices, expected.choices, strict=True):
        assert mine.index == theirs.index
        assert mine.message.role == "assistant"
        assert mine.message.content == theirs.message.content
        # Where a capture lost a choice's end, it is said to be cut short.
        assert mine.finish_reason == (theirs.finish_reason or "length")


CALLS = stream(
    delta(role="assistant", content=None),
    delta(tool_calls=[{"index": 0, "id": "a", "type": "function",
                       "function": {"name": "f", "arguments": ""}}]),
    delta(tool_calls=[{"index": 0, "function": {"arguments": '{"x'}}]),
    delta(tool_calls=[{"index": 1, "id": "b", "type": "function",
                       "function": {"name": "g", "arguments": "{}"}}]),
    delta(tool_calls=[{"index": 0, "function": {"arguments": '":1}'}}]),
    delta(end="tool_calls"),
)  # fmt: skip


def test_tool_calls_come_together_by_their_place() -> None:
    [choice] = reassembled(CALLS)["choices"]
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "f", "arguments": '{"x":1}'},
            },
            {
                "id": "b",
                "type": "function",
                "function": {"name": "g", "arguments": "{}"},
            },
        ],
    }
    assert choice["finish_reason"] == "tool_calls"
    theirs = by_the_sdk(CALLS).choices[0].message.tool_calls
    assert theirs is not None
    arguments = [call.function.arguments for call in theirs if call.type == "function"]
    assert arguments == ['{"x":1}', "{}"]


def test_reasoning_and_refusals_are_joined_beside_the_text() -> None:
    [choice] = reassembled(
        stream(
            delta(role="assistant", content=""),
            delta(reasoning_content="be"),
            delta(reasoning_content="cause"),
            delta(refusal="no"),
            delta(refusal="!"),
            delta(end="stop"),
        )
    )["choices"]
    message = choice["message"]
    assert message["reasoning_content"] == "because"
    assert (message["refusal"], message["content"]) == ("no!", None)


def test_probabilities_are_put_one_behind_the_other() -> None:
    def with_logprobs(text: str, end: str | None = None) -> dict[str, Any]:
        chunk = delta(content=text, end=end)
        chunk["choices"][0]["logprobs"] = {
            "content": [{"token": text, "logprob": -1.0, "bytes": [1]}],
            "refusal": None,
        }
        return chunk

    [choice] = reassembled(stream(with_logprobs("a"), with_logprobs("b", "stop")))[
        "choices"
    ]
    assert [each["token"] for each in choice["logprobs"]["content"]] == ["a", "b"]
    assert choice["logprobs"]["refusal"] is None


def test_completions_too() -> None:
    chunks = [
        {
            "object": "text_completion",
            "choices": [
                {
                    "index": 0,
                    "text": text,
                    "logprobs": {"tokens": [text], "token_logprobs": [-0.5]},
                    "finish_reason": end,
                }
            ],
        }
        for text, end in (("x", None), ("y", "stop"))
    ]
    got = reassembled(stream(*chunks))
    assert got["object"] == "text_completion"
    assert got["choices"] == [
        {
            "index": 0,
            "text": "xy",
            "logprobs": {"tokens": ["x", "y"], "token_logprobs": [-0.5, -0.5]},
            "finish_reason": "stop",
        }
    ]


def test_a_cut_answer_has_all_its_choices_and_says_so() -> None:
    got = reassembled(stream(delta(1, content="b")), choices=3)
    said = [choice["message"]["content"] for choice in got["choices"]]
    assert said == ["", "b", ""]
    assert {choice["finish_reason"] for choice in got["choices"]} == {"length"}
    assert got["usage"] == USAGE


@pytest.mark.parametrize(
    "event",
    [
        b"{",
        b"[]",
        b'{"choices":1}',
        b'{"choices":[1]}',
        b'{"choices":[{"index":"0"}]}',
        b'{"choices":[{"index":0,"delta":{"tool_calls":[1]}}]}',
    ],
)
def test_what_is_no_chunk_is_refused(event: bytes) -> None:
    with pytest.raises(StreamFormatError):
        Reassembly().add(event)


Texts = st.lists(st.text(max_size=4), min_size=1, max_size=6)


@given(st.lists(Texts, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_choices_in_any_turn_give_the_same_answer(
    choices: list[list[str]], chance: Any
) -> None:
    pieces = {index: list(texts) for index, texts in enumerate(choices)}
    chunks = [delta(index, role="assistant", content="") for index in pieces]
    while pieces:
        index = chance.choice(sorted(pieces))
        chunks.append(delta(index, content=pieces[index].pop(0)))
        if not pieces[index]:
            chunks.append(delta(index, end="stop"))
            del pieces[index]
    got = reassembled(stream(*chunks))
    said = [choice["message"]["content"] for choice in got["choices"]]
    assert said == ["".join(texts) for texts in choices]
    assert {choice["finish_reason"] for choice in got["choices"]} == {"stop"}
