"""An answer that is streamed again: put together, it is the answer."""

from typing import Any

import orjson
import pytest

from inference.openai.reassembly import Reassembly
from inference.openai.replaying import stream_of
from inference.openai.sse import EventSplitter
from inference.openai.stream import StreamOptions, StreamTranslator
from kit.contracts import TokenCounts

FRAME = {"id": "chatcmpl-1", "created": 5, "model": "m", "system_fingerprint": "f"}
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 4,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 4},
}


def message(**fields: Any) -> dict[str, Any]:
    """Return a message of an assistant."""
    return {"role": "assistant", "content": None, "refusal": None, **fields}


def choice(index: int, **fields: Any) -> dict[str, Any]:
    """Return a choice that ended by itself."""
    return {"index": index, "logprobs": None, "finish_reason": "stop", **fields}


CALL = {
    "id": "call-1",
    "type": "function",
    "function": {"name": "look", "arguments": '{"at": 1}'},
}
CHATS = {
    "text": [choice(0, message=message(content="hello"))],
    "reasoned": [choice(0, message=message(content="so", reasoning="because"))],
    "refused": [choice(0, message=message(refusal="no"))],
    "nothing": [choice(0, message=message(content=""), finish_reason="length")],
    "tools": [
        choice(
            0,
            message=message(tool_calls=[CALL, {**CALL, "id": "call-2"}]),
            finish_reason="tool_calls",
        )
    ],
    "several": [
        choice(0, message=message(content="one"), stop_reason=7),
        choice(1, message=message(content="two"), finish_reason="length"),
    ],
}


def replayed(answer: dict[str, Any]) -> tuple[dict[str, Any], StreamTranslator]:
    """Put the stream of an answer together, and let it be translated."""
    events = EventSplitter().feed(stream_of(answer))
    assert events[-1] == b"[DONE]"
    choices = len(answer["choices"])
    translator = StreamTranslator(
        StreamOptions(choices=choices, include_usage=True, continuous_usage=False)
    )
    reassembly = Reassembly()
    for event in events:
        reassembly.add(event)
    translator.feed(events)
    assert translator.failure is None
    assert translator.is_complete
    assert reassembly.usage == answer["usage"]
    return dict(reassembly.answer(usage=answer["usage"])), translator


@pytest.mark.parametrize("name", CHATS)
def test_a_chat_comes_back_and_is_counted(name: str) -> None:
    answer = {
        **FRAME,
        "object": "chat.completion",
        "choices": CHATS[name],
        "usage": USAGE,
    }
    again, translator = replayed(answer)
    assert again == answer
    assert not translator.transcript
    assert translator.tally.counts() == TokenCounts(5, 4, 4, 0)


def test_a_completion_comes_back() -> None:
    answer = {
        **FRAME,
        "object": "text_completion",
        "choices": [
            choice(0, text="a"),
            choice(1, text="b", logprobs={"tokens": ["b"]}),
        ],
        "usage": USAGE,
    }
    again, _ = replayed(answer)
    assert again == answer


def test_each_chunk_is_what_clients_read() -> None:
    answer = {
        **FRAME,
        "object": "chat.completion",
        "choices": CHATS["tools"],
        "usage": USAGE,
    }
    said, ended, used = map(orjson.loads, EventSplitter().feed(stream_of(answer))[:-1])
    assert {each["object"] for each in (said, ended, used)} == {"chat.completion.chunk"}
    calls = said["choices"][0]["delta"]["tool_calls"]
    assert [call["index"] for call in calls] == [0, 1]
    assert said["choices"][0]["finish_reason"] is None
    assert ended["choices"][0]["finish_reason"] == "tool_calls"
    assert (used["choices"], used["usage"]) == ([], USAGE)
