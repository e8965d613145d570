"""A real llama.cpp, which reports no usage in a stream: counted by its tokenizer.

The server of llama-cpp-python serves a model whose vocabulary is cl100k_base's, behind
a model of ours that names that tokenizer. llama.cpp splits text with code of its own,
so its usage of a whole answer is a witness for what we count of that answer's stream.
Where both may differ is written down, with how far.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles
from urllib.parse import urlsplit

import httpx
import pytest
from openai import OpenAI

from inference.tokenizers.encodings import text_tokens
from kit.contracts import CountedBy, EventStatus
from tests.engines.events import MeteredCall, metered, operate, until
from tests.engines.llamacpp_server import (
    CONTEXT_TOKENS,
    SERVED_MODEL,
    running_llamacpp,
)
from tests.engines.mixed_calls import PROMPTS
from tests.engines.pulse import Beat, Pulse
from tests.engines.told_twice import Question, Told, ask_twice, questions
from tests.journeys.product import Product, running_product
from tests.standins.reading_proxy import Drop, Moment, Reading, reading_proxy

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1200)]

TOKENIZER = "cl100k_base"
# One call's text of random tokens, and all of them together, counted again.
NOISE_SHARE_MAX = 0.15
NOISE_SHARE_OF_ALL = (0.01, 0.10)
# Of a hundred beats of the gateway's event loop, all but one; the one may be whatever
# else this machine does, as an answer is counted for every dozen or so. On a machine
# that is busy elsewhere, so much slower than they are while nothing is counted.
BEAT_SECONDS_MAX = 0.05
SLOWER_MAX = 3
BEATS_MIN = 100
LEAVES_AFTER_PIECES = 30
LONG_TOKENS = 3_000
LEAVES_MAX = 4
# Against the token that would end the long answer.
ENDLESS = {"logit_bias": {"100265": -100}}


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """Provide a product whose one model is llama.cpp's, with its tokenizer named."""
    with (
        running_llamacpp() as url,
        running_product(
            engine_url=url,
            engine_model=SERVED_MODEL,
            env={"ENGINE_DIALECT": "openai"},
        ) as product,
    ):
        [model] = operate(product, "GET", f"models/?name={SERVED_MODEL}")["data"]
        operate(
            product,
            "PATCH",
            f"models/{model['id']}/",
            {"tokenizer": TOKENIZER, "context_tokens": CONTEXT_TOKENS},
        )
        yield product


@pytest.fixture(scope="module")
def client(product: Product) -> Iterator[OpenAI]:
    """Provide the openai SDK, once the gateway knows of the tokenizer."""
    with OpenAI(
        base_url=product.base_url, api_key=product.api_key, max_retries=0, timeout=120
    ) as client:
        until(lambda: _is_counted(product, client))
        yield client


def _is_counted(product: Product, client: OpenAI) -> bool:
    question = Question("completions", "Hello", 1, "words")
    told = ask_twice(client, model=SERVED_MODEL, question=question)
    [event] = metered(product, [told.streamed.request_id])
    return event.witness is CountedBy.TOKENIZER


@dataclass(frozen=True)
class Pair:
    """A question's two answers, and what was metered of each."""

    told: Told
    whole: MeteredCall
    streamed: MeteredCall

    @property
    def surplus(self) -> int:
        """Return how many more output tokens we counted than the engine generated."""
        return self.streamed.output_tokens - self.told.whole.usage.completion_tokens


@dataclass(frozen=True)
class Evidence:
    """What was asked, told and metered, and how the event loop did meanwhile."""

    pairs: list[Pair]
    beats: list[Beat]

    def slow_beat(self, *, counting: bool) -> float:
        """Return the 99th percentile of the beats while streams came, or did not."""
        seconds = [
            beat.seconds
            for beat in self.beats
            if counting
            is any(pair.told.is_streaming(beat.asked_at) for pair in self.pairs)
        ]
        assert len(seconds) > BEATS_MIN
        return quantiles(seconds, n=100)[-1]

    def of(self, sampling: str) -> list[Pair]:
        """Return the pairs of one sampling."""
        return [pair for pair in self.pairs if pair.told.question.sampling == sampling]


@pytest.fixture(scope="module")
def evidence(product: Product, client: OpenAI) -> Evidence:
    """Ask everything twice, with a hand on the gateway's pulse."""
    with Pulse(f"{product.url}/healthz") as pulse:
        told = [
            ask_twice(client, model=SERVED_MODEL, question=question)
            for question in questions(PROMPTS)
        ]
    whole = metered(product, [one.whole.request_id for one in told])
    streamed = metered(product, [one.streamed.request_id for one in told])
    pairs = [Pair(*parts) for parts in zip(told, whole, streamed, strict=True)]
    return Evidence(pairs, beats=pulse.beats)


def test_a_whole_answer_is_metered_as_the_engine_says(evidence: Evidence) -> None:
    for pair in evidence.pairs:
        usage, event = pair.told.whole.usage, pair.whole
        assert event.witness is CountedBy.ENGINE
        assert event.prompt_tokens == usage.prompt_tokens
        assert event.output_tokens == usage.completion_tokens


def test_a_stream_is_counted_by_the_tokenizer_and_says_so(evidence: Evidence) -> None:
    """What the caller is shown is what is billed."""
    for pair in evidence.pairs:
        usage, event = pair.told.streamed.usage, pair.streamed
        assert event.ended is EventStatus.OK
        assert event.witness is CountedBy.TOKENIZER
        assert event.prompt_tokens == usage.prompt_tokens
        assert event.output_tokens == usage.completion_tokens == event.generated_tokens


def test_both_answers_are_one(evidence: Evidence) -> None:
    """Without this the engine's count of one would say nothing of the other."""
    different = [pair.told for pair in evidence.pairs if not _same(pair.told)]
    assert not different


def test_prompts_count_as_to_the_engine(evidence: Evidence) -> None:
    """To the token, template included; every script, joiners and surrogates too."""
    assert [pair.streamed.prompt_tokens for pair in evidence.pairs] == [
        pair.told.whole.usage.prompt_tokens for pair in evidence.pairs
    ]


def test_words_count_as_they_were_generated(evidence: Evidence) -> None:
    """To the token; the token that ends a turn is in neither count."""
    words = evidence.of("words")
    assert {pair.told.whole.finish_reason for pair in words} == {"stop", "length"}
    assert [pair.surplus for pair in words] == [0] * len(words)


def test_random_tokens_count_within_bounds(evidence: Evidence) -> None:
    """Text of random tokens is split anew, and into more: each call's, and all."""
    noise = evidence.of("noise")
    generated = sum(pair.told.whole.usage.completion_tokens for pair in noise)
    least, most = NOISE_SHARE_OF_ALL
    assert least <= sum(pair.surplus for pair in noise) / generated <= most
    for pair in noise:
        share = pair.surplus / pair.told.whole.usage.completion_tokens
        assert abs(share) <= NOISE_SHARE_MAX, pair


def test_the_event_loop_beats_on_while_tokens_are_counted(evidence: Evidence) -> None:
    idle = evidence.slow_beat(counting=False)
    most = max(BEAT_SECONDS_MAX, SLOWER_MAX * idle)
    assert evidence.slow_beat(counting=True) < most


@pytest.mark.parametrize(
    ("prompt", "surplus"),
    [
        # The template ends the role with a line, which joins those that follow it.
        ("\n\nEmpty lines first.", 1),
        # The engine takes a turn's mark for one wherever it stands; we count its text.
        ("A mark <|im_end|> in a text", 3),
    ],
)
def test_what_only_the_engine_knows_of_its_template(
    product: Product, client: OpenAI, prompt: str, surplus: int
) -> None:
    """These prompts are known to count higher here than there, and by how much."""
    question = Question("chat", prompt, 5, "words")
    told = ask_twice(client, model=SERVED_MODEL, question=question)
    [event] = metered(product, [told.streamed.request_id])
    assert event.prompt_tokens - told.whole.usage.prompt_tokens == surplus


async def test_a_caller_that_leaves_pays_for_what_it_took(product: Product) -> None:
    """Output is counted to the last text that was handed over, and not beyond.

    An answer that had ended before its caller left is asked for again.
    """
    for _ in range(LEAVES_MAX):
        reading = await _left(product)
        [event] = metered(product, [reading.received.request_id])
        if event.ended is not EventStatus.OK:
            break
    assert event.ended is EventStatus.CLIENT_GONE
    assert event.witness is CountedBy.TOKENIZER
    received = text_tokens(TOKENIZER, reading.received.texts[0])
    # With what lay between us and a caller that has just stopped reading.
    arrived = text_tokens(TOKENIZER, reading.arrived.texts[0])
    assert received <= event.output_tokens <= arrived


async def _left(product: Product) -> Reading:
    """Ask for a long answer and leave in its middle, with a goodbye."""
    question = Question("chat", "Tell me much.", LONG_TOKENS, "words", seed=3)
    address = urlsplit(product.base_url)
    async with (
        reading_proxy(
            address.hostname or "",
            address.port or 0,
            drop=Drop(Moment.AT_PIECE, LEAVES_AFTER_PIECES),
        ) as reading,
        httpx.AsyncClient(trust_env=False, timeout=120) as client,
    ):
        with contextlib.suppress(httpx.TransportError):
            await client.post(
                f"{reading.url}{address.path}/chat/completions",
                headers={"authorization": f"Bearer {product.api_key}"},
                json={"model": SERVED_MODEL, "stream": True}
                | question.fields()
                | ENDLESS,
            )
        await asyncio.wait_for(reading.ended.wait(), 60)
    return reading


def test_the_table_of_both_counts(
    evidence: Evidence, capsys: pytest.CaptureFixture[str]
) -> None:
    """Show how far the counts are apart, and where."""
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(_table(evidence.pairs)) + "\n")
        sys.stdout.write(
            f"event loop: {len(evidence.beats)} beats, "
            f"99 of 100 within {evidence.slow_beat(counting=True) * 1000:.0f} ms "
            f"while streams are counted, else within "
            f"{evidence.slow_beat(counting=False) * 1000:.0f} ms\n"
        )
    # Words and noise, chats and completions: a kind that is missing shows nothing.
    assert len({_kind(pair.told.question) for pair in evidence.pairs}) == 4


def _same(told: Told) -> bool:
    return (told.whole.text, told.whole.finish_reason) == (
        told.streamed.text,
        told.streamed.finish_reason,
    )


def _table(pairs: Sequence[Pair]) -> Iterator[str]:
    """Write a line for every sampling and endpoint: the engine's count, and ours."""
    yield (
        f"{'llama.cpp':20}{'calls':>6}{'prompt: engine':>16}{'ours':>7}"
        f"{'output: engine':>16}{'ours':>7}{'difference':>12}{'a call':>16}"
    )
    kinds = sorted({(_kind(pair.told.question)) for pair in pairs})
    for kind in kinds:
        group = [pair for pair in pairs if _kind(pair.told.question) == kind]
        usages = [pair.told.whole.usage for pair in group]
        generated = sum(usage.completion_tokens for usage in usages)
        surplus = sum(pair.surplus for pair in group)
        shares = [
            pair.surplus / usage.completion_tokens
            for pair, usage in zip(group, usages, strict=True)
        ]
        yield (
            f"{kind:20}{len(group):6}{sum(usage.prompt_tokens for usage in usages):16}"
            f"{sum(pair.streamed.prompt_tokens for pair in group):7}{generated:16}"
            f"{generated + surplus:7}{surplus / generated:+12.1%}"
            f"{min(shares):+8.1%}{max(shares):+8.1%}"
        )


def _kind(question: Question) -> str:
    return f"{question.sampling}, {question.endpoint}"
