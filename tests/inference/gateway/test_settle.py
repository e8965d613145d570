"""Counting by itself: what is asked of an engine, and what becomes of a settlement."""

import asyncio
from typing import Any

import orjson
import pytest

from inference.engines.registry import BACKENDS
from inference.gateway.counting import Counting
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.settle import Settlement
from inference.openai.requests import parse
from inference.openai.transcript import Transcript
from inference.openai.usage import Tally
from inference.routing.snapshot import Snapshot
from inference.tokenizers.encodings import text_tokens
from inference.tokenizers.pool import TokenizerPool
from kit.contracts import Caller, CountedBy, EventStatus, Surface, TokenCounts
from tests.inference.engines.wire import PROMPT_TOKENS, answer
from tests.inference.gateway.meter import RecordingMeter

TOKENIZER = "cl100k_base"
TEXT = "The quick brown fox jumps over the lazy dog."
# One message of ChatML, and the opening of the reply.
CHAT_TOKENS = 5 + text_tokens(TOKENIZER, "one two three") + 3
MESSAGES: Any = [{"role": "user", "content": "one two three"}]


def settling(counting: Counting) -> tuple[RecordingMeter, Settlement]:
    """Return the settlement of a chat, and the meter that will note it."""
    meter = RecordingMeter(asyncio.get_running_loop())
    request = parse(
        Surface.CHAT_COMPLETIONS, orjson.dumps({"model": "m", "messages": MESSAGES})
    )
    caller = Caller(tenant_id=1, project_id=1, api_key_id=1, currency="USD")
    admission = meter.admit(
        caller, model="m", surface=Surface.CHAT_COMPLETIONS, streamed=False
    )
    return meter, Settlement(
        meter, GatewayMetrics(), counting, admission, request, TOKENIZER, 0
    )


async def test_an_answer_given_back_while_it_is_counted_is_corrected() -> None:
    counting = Counting(None, Snapshot(), TokenizerPool())  # type: ignore[arg-type]
    meter, settlement = settling(counting)
    transcript = Transcript.of_answer(answer(TEXT, output=0))
    settlement.handed_over(0, transcript)
    commit = settlement.end(EventStatus.OK, Tally(), transcript)
    settlement.give_back(prompt_too=True)
    await commit
    [outcome] = meter.outcomes
    assert outcome.counts.output_tokens == text_tokens(TOKENIZER, TEXT)
    assert len(meter.corrections) == 1
    await counting.close()


async def test_text_that_nobody_got_does_not_hide_who_counted_what_is_billed() -> None:
    counting = Counting(None, Snapshot(), TokenizerPool())  # type: ignore[arg-type]
    meter, settlement = settling(counting)
    tally, transcript = Tally(), Transcript()
    tally.running(0, PROMPT_TOKENS, 1)
    settlement.handed_over(1, transcript)
    transcript.add(0, {"delta": {"content": TEXT}})
    await settlement.end(EventStatus.CLIENT_GONE, tally, transcript)
    [outcome] = meter.outcomes
    assert outcome.counted_by is CountedBy.ENGINE
    assert outcome.counts == TokenCounts(input_tokens=PROMPT_TOKENS, output_tokens=1)
    assert outcome.generated_tokens == 1 + text_tokens(TOKENIZER, TEXT)
    await counting.close()


@pytest.mark.parametrize(
    ("prompt", "known", "texts"),
    [
        ("a b", 0, ["a b"]),
        ([1, 2, 3], 3, []),
        (["a", "b"], 0, ["a", "b"]),
        ([[1, 2], [3]], 3, []),
    ],
)
async def test_every_prompt_of_a_completion_is_asked_for(
    prompt: Any, known: int, texts: list[str]
) -> None:
    body = orjson.dumps({"model": "m", "prompt": prompt})
    request = parse(Surface.COMPLETIONS, body)
    asked = BACKENDS["vllm"].prompt_calls(request, model="theirs")
    assert asked is not None
    assert asked.known_tokens == known
    assert [orjson.loads(call.body) for call in asked.calls] == [
        {"model": "theirs", "prompt": text} for text in texts
    ]


async def test_a_model_without_replicas_and_tokenizer_is_not_waited_for() -> None:
    counting = Counting(None, Snapshot(), TokenizerPool())  # type: ignore[arg-type]
    request = parse(
        Surface.CHAT_COMPLETIONS, orjson.dumps({"model": "m", "messages": MESSAGES})
    )
    async with asyncio.timeout(5):
        assert await counting.prompt(request, "", is_waited_for=False) is None
    assert await counting.texts(["a"], "") is None
    assert await counting.prompt(request, TOKENIZER, is_waited_for=False) == CHAT_TOKENS
    await counting.close()
