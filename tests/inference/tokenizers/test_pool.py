"""Prompts as a tokenizer sees them, and counting that does not stop the loop."""

import asyncio
import time
from typing import Any

import orjson
import pytest

from inference.openai.requests import GenerationRequest, parse
from inference.tokenizers.encodings import text_tokens
from inference.tokenizers.pool import TokenizerPool
from kit.contracts import Surface

NAME = "cl100k_base"


def chat(*messages: dict[str, Any], **fields: Any) -> GenerationRequest:
    body = {"model": "m", "messages": list(messages), **fields}
    return parse(Surface.CHAT_COMPLETIONS, orjson.dumps(body))


def completion(prompt: Any) -> GenerationRequest:
    return parse(Surface.COMPLETIONS, orjson.dumps({"model": "m", "prompt": prompt}))


async def counted(request: GenerationRequest) -> int | None:
    pool = TokenizerPool()
    try:
        return await pool.prompt(NAME, request)
    finally:
        pool.close()


async def test_a_chat_costs_its_texts_and_what_the_template_adds() -> None:
    request = chat(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}]},
    )
    texts = text_tokens(NAME, "Be brief.") + text_tokens(NAME, "What is it?")
    assert await counted(request) == 2 * 5 + 3 + texts


async def test_a_part_that_is_no_text_hides_no_other_from_the_count() -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": 5},
        {"type": "refusal", "refusal": ["no"]},
        {"type": "text", "text": "What is it?"},
    ]
    request = chat({"role": "user", "content": parts})
    assert await counted(request) == 5 + 3 + text_tokens(NAME, "What is it?")


async def test_tools_calls_and_names_count() -> None:
    bare = chat({"role": "user", "content": "hi"})
    tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
    call = {"id": "1", "type": "function", "function": {"name": "look"}}
    fuller = [
        chat({"role": "user", "content": "hi"}, tools=[tool]),
        chat({"role": "user", "content": "hi", "name": "Ada"}),
        chat({"role": "assistant", "content": "hi", "tool_calls": [call]}),
    ]
    least = await counted(bare)
    assert least is not None
    for request in fuller:
        tokens = await counted(request)
        assert tokens is not None
        assert tokens > least


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        ("hello world", 2),
        ([5, 6, 7], 3),
        (["hello", "hello world"], 3),
        ([[1], [2]], 2),
    ],
)
async def test_prompts_of_a_completion_are_summed(prompt: Any, tokens: int) -> None:
    assert await counted(completion(prompt)) == tokens


async def test_what_cannot_be_counted_is_none() -> None:
    pool = TokenizerPool()
    assert await pool.prompt("p50k_base", completion("hello")) is None
    assert await pool.texts("p50k_base", ["hello"]) is None
    await pool.prepare(["p50k_base", NAME, NAME])
    assert await pool.texts(NAME, ["hello", "", "hello world"]) == 3
    pool.close()


async def test_the_loop_turns_while_a_long_text_is_counted() -> None:
    pool = TokenizerPool()
    await pool.prepare([NAME])
    counting = asyncio.ensure_future(pool.texts(NAME, ["hello world, " * 400_000]))
    gaps, turns, last = [0.0], 0, time.perf_counter()
    while not counting.done():
        await asyncio.sleep(0)
        now = time.perf_counter()
        gaps.append(now - last)
        turns, last = turns + 1, now
    began = time.perf_counter()
    text_tokens(NAME, "hello world, " * 400_000)
    # On the loop it would have been one gap as long as this.
    assert sorted(gaps)[-2] < (time.perf_counter() - began) / 2
    assert turns > 10
    pool.close()
