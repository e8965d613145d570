"""What no engine counted: by `/tokenize`, by the model's tokenizer, or by nobody."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from inference.engines.client import EnginePool
from inference.gateway.counting import WAITED_FOR_S, Counting
from inference.routing.snapshot import Snapshot
from inference.tokenizers.encodings import text_tokens
from inference.tokenizers.pool import TokenizerPool
from kit.contracts import CountedBy, EventStatus, TokenCounts
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.wire import (
    DONE,
    PROMPT_TOKENS,
    STREAM_END,
    answer,
    chat_chunk,
    event,
    token,
    usage,
    whole,
)
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import PATIENT, RunningGateway, running_gateway

TOKENIZER = "cl100k_base"
WORDS = ("The quick ", "brown fox jumps", " over the lazy dog", ".")
TEXT = "".join(WORDS)
# One message of ChatML, and the opening of the reply.
CHAT_TOKENS = 5 + text_tokens(TOKENIZER, "one two three") + 3
MESSAGES: Any = [{"role": "user", "content": "one two three"}]


def plain(text: str, *, reason: str | None = None) -> bytes:
    """Return the event of a chunk that says nothing of usage."""
    return event(chat_chunk({"content": text} if text else {}, reason=reason))


def speaking(*events: bytes) -> Any:
    """Return an engine that streams these events and ends well."""

    def script(side: EngineSide) -> None:
        while side.request():
            side.stream(*events)
            side.send(STREAM_END)

    return script


UNCOUNTED = (*map(plain, WORDS), plain("", reason="stop"), DONE)


def sdk_stream(sdk: OpenAI, model: str, **fields: Any) -> list[Any]:
    return list(
        sdk.chat.completions.create(
            model=model, messages=MESSAGES, stream=True, **fields
        )
    )


def test_a_stream_without_usage_is_counted_and_the_client_is_told(
    gateway: RunningGateway,
) -> None:
    with scripted_engine(speaking(*UNCOUNTED)) as engine:
        model = gateway.serve(engine.url, dialect="openai", tokenizer=TOKENIZER)
        chunks = sdk_stream(
            gateway.openai(), model, stream_options={"include_usage": True}
        )

    [outcome] = gateway.meter.outcomes
    output = text_tokens(TOKENIZER, TEXT)
    assert outcome.status is EventStatus.OK
    assert outcome.counted_by is CountedBy.TOKENIZER
    assert outcome.counts == TokenCounts(input_tokens=CHAT_TOKENS, output_tokens=output)
    assert outcome.generated_tokens == output
    assert outcome.first_token_us is not None
    told = chunks[-1].usage
    assert (told.prompt_tokens, told.completion_tokens) == (CHAT_TOKENS, output)
    assert chunks[-1].choices == []
    assert chunks[-1].id == chunks[0].id
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_client_that_asked_for_no_usage_is_shown_none(
    gateway: RunningGateway,
) -> None:
    with scripted_engine(speaking(*UNCOUNTED)) as engine:
        model = gateway.serve(engine.url, dialect="openai", tokenizer=TOKENIZER)
        chunks = sdk_stream(gateway.openai(), model)

    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert gateway.meter.outcomes[0].counts.output_tokens == text_tokens(
        TOKENIZER, TEXT
    )


def test_without_a_tokenizer_nothing_is_billed_and_the_event_says_so(
    gateway: RunningGateway,
) -> None:
    with scripted_engine(speaking(*UNCOUNTED)) as engine:
        model = gateway.serve(engine.url, dialect="openai")
        sdk_stream(gateway.openai(), model)

    [outcome] = gateway.meter.outcomes
    assert outcome.counted_by is CountedBy.NONE
    assert outcome.counts == TokenCounts()


def test_a_whole_answer_without_usage_is_counted_and_shown(
    gateway: RunningGateway,
) -> None:
    def script(side: EngineSide) -> None:
        while side.request():
            body = answer(TEXT, output=0)
            del body["usage"]
            side.send(whole(body))

    with scripted_engine(script) as engine:
        model = gateway.serve(engine.url, dialect="openai", tokenizer=TOKENIZER)
        said = gateway.openai().chat.completions.create(model=model, messages=MESSAGES)

    [outcome] = gateway.meter.outcomes
    output = text_tokens(TOKENIZER, TEXT)
    assert outcome.counts == TokenCounts(input_tokens=CHAT_TOKENS, output_tokens=output)
    assert outcome.counted_by is CountedBy.TOKENIZER
    assert said.usage is not None
    assert said.usage.completion_tokens == output
    assert said.choices[0].message.content == TEXT


def test_of_an_engine_that_reports_at_the_end_a_leaver_pays_for_the_text_it_got(
    gateway: RunningGateway, raw: RawClient
) -> None:
    def script(side: EngineSide) -> None:
        side.request()
        side.stream(plain(WORDS[0]), plain(WORDS[1]))
        side.wait_until_left()

    with scripted_engine(script) as engine:
        model = gateway.serve(engine.url, dialect="openai", tokenizer=TOKENIZER)
        raw.chat(model, stream=True)
        raw.read_text(WORDS[1])
        raw.leave()
        assert engine.left.wait(10)
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

    assert outcome.status is EventStatus.CLIENT_GONE
    assert outcome.counted_by is CountedBy.TOKENIZER
    output = text_tokens(TOKENIZER, WORDS[0] + WORDS[1])
    assert outcome.counts == TokenCounts(input_tokens=CHAT_TOKENS, output_tokens=output)


def test_an_engine_that_stops_counting_is_counted_from_there(
    gateway: RunningGateway,
) -> None:
    script = speaking(token(1), token(2), *UNCOUNTED)
    with scripted_engine(script) as engine:
        model = gateway.serve(engine.url, tokenizer=TOKENIZER)
        sdk_stream(gateway.openai(), model)

    [outcome] = gateway.meter.outcomes
    assert outcome.counted_by is CountedBy.TOKENIZER
    assert outcome.counts == TokenCounts(
        input_tokens=PROMPT_TOKENS, output_tokens=2 + text_tokens(TOKENIZER, TEXT)
    )


@pytest.mark.parametrize("choices", [1, 2])
def test_running_usage_covers_what_came_without(
    gateway: RunningGateway, choices: int
) -> None:
    first = [
        event(chat_chunk({"content": "held back"}, index=index))
        for index in range(choices)
    ]
    then = [token(5, index=index) for index in range(choices)]
    ends = [
        event(chat_chunk({}, index=index, reason="stop")) for index in range(choices)
    ]
    with scripted_engine(speaking(*first, *then, *ends, DONE)) as engine:
        model = gateway.serve(engine.url, tokenizer=TOKENIZER)
        sdk_stream(gateway.openai(), model, n=choices)

    [outcome] = gateway.meter.outcomes
    assert outcome.counted_by is CountedBy.ENGINE
    assert outcome.counts == TokenCounts(
        input_tokens=PROMPT_TOKENS, output_tokens=5 * choices
    )


def test_a_final_usage_covers_what_came_without(gateway: RunningGateway) -> None:
    *uncounted, done = UNCOUNTED
    with scripted_engine(speaking(*uncounted, usage(9), done)) as engine:
        model = gateway.serve(engine.url, dialect="openai", tokenizer=TOKENIZER)
        sdk_stream(gateway.openai(), model)

    [outcome] = gateway.meter.outcomes
    assert outcome.counted_by is CountedBy.ENGINE
    assert outcome.counts == TokenCounts(input_tokens=PROMPT_TOKENS, output_tokens=9)


def test_an_engine_failure_before_the_first_token_counts_and_bills_nothing(
    gateway: RunningGateway,
) -> None:
    def script(side: EngineSide) -> None:
        side.request()
        side.stream(plain(""))

    with scripted_engine(script) as engine:
        model = gateway.serve(engine.url, dialect="openai", tokenizer=TOKENIZER)
        body = {"model": model, "messages": MESSAGES, "stream": True}
        gateway.client.post("/v1/chat/completions", json=body)

    [outcome] = gateway.meter.outcomes
    assert (outcome.status, outcome.counts) == (
        EventStatus.ENGINE_ERROR,
        TokenCounts(),
    )


class Counter:
    """An engine that never answers a chat, and counts prompts from some call on."""

    def __init__(self, *, refusals: int = 0, count: object = 41) -> None:
        self.refusals = refusals
        self.count = count
        self.asked: list[dict[str, Any]] = []

    def __call__(self, side: EngineSide) -> None:
        request = side.request()
        if request is None:
            return
        if request.target != "/tokenize":
            side.wait_until_left()
            return
        self.asked.append(request.json)
        if len(self.asked) <= self.refusals:
            # Whatever else it says, this is no count.
            side.send(whole({"error": "busy", "count": 7}, status=503, close=True))
        else:
            side.send(whole({"count": self.count, "tokens": []}))


def leave_unanswered(gateway: RunningGateway, raw: RawClient, *urls: str) -> None:
    """Post a whole chat, and leave once an engine has it."""
    raw.chat(gateway.serve(*urls, upstream_model="theirs"))


@pytest.mark.parametrize("refusals", [0, 3])
def test_a_prompt_is_counted_by_the_engine_however_often_it_is_asked(
    gateway: RunningGateway, raw: RawClient, refusals: int
) -> None:
    counter = Counter(refusals=refusals)
    with scripted_engine(counter) as engine:
        leave_unanswered(gateway, raw, engine.url)
        wait_until(lambda: engine.requests)
        raw.leave()
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

    assert outcome.status is EventStatus.CLIENT_GONE
    assert outcome.counted_by is CountedBy.TOKENIZER
    assert outcome.counts == TokenCounts(input_tokens=41)
    assert counter.asked[-1] == {"model": "theirs", "messages": MESSAGES}
    assert len(counter.asked) == refusals + 1


@pytest.mark.parametrize("count", [None, "41", -1, 0, 4.5, 10**9])
def test_a_count_that_cannot_be_is_none(
    gateway: RunningGateway, raw: RawClient, count: object
) -> None:
    counter = Counter(count=count)
    with scripted_engine(counter) as engine:
        leave_unanswered(gateway, raw, engine.url)
        wait_until(lambda: engine.requests)
        raw.leave()
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

    assert outcome.counted_by is CountedBy.NONE
    assert outcome.counts == TokenCounts()


@pytest.mark.parametrize(("seen", "asks"), [((0,), True), ((0, 1), False)])
def test_who_leaves_a_batch_pays_for_every_prompt_of_it(
    gateway: RunningGateway, raw: RawClient, seen: tuple[int, ...], asks: bool
) -> None:
    tokenized: list[str] = []

    def script(side: EngineSide) -> None:
        request = side.request()
        if request is not None and request.target == "/tokenize":
            tokenized.append(request.json["prompt"])
            side.send(whole({"count": 20, "tokens": []}))
        elif request is not None:
            choices = [
                {"index": index, "text": " t1", "finish_reason": None} for index in seen
            ]
            running = {"prompt_tokens": 20, "completion_tokens": 1}
            side.stream(
                *(event({"choices": [one], "usage": running}) for one in choices)
            )
            side.wait_until_left()

    with scripted_engine(script) as engine:
        model = gateway.serve(engine.url)
        body = {"model": model, "prompt": ["a", "b"], "stream": True}
        raw.post("/v1/completions", body)
        raw.read_until(lambda answer: answer.text.count("t1") == len(seen))
        raw.leave()
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

    assert outcome.counts == TokenCounts(input_tokens=40, output_tokens=len(seen))
    # Both are asked at once.
    assert sorted(tokenized) == (["a", "b"] if asks else [])
    assert (outcome.counted_by is CountedBy.TOKENIZER) == asks


def test_any_replica_of_the_model_may_count(
    gateway: RunningGateway, raw: RawClient
) -> None:
    deaf, counter = Counter(refusals=10**6), Counter()
    with scripted_engine(deaf) as first, scripted_engine(counter) as second:
        leave_unanswered(gateway, raw, first.url, second.url)
        wait_until(lambda: first.requests + second.requests)
        raw.leave()
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

    assert outcome.counts == TokenCounts(input_tokens=41)


def test_a_frozen_replica_does_not_use_up_the_time_of_the_others(
    gateway: RunningGateway, raw: RawClient
) -> None:
    def frozen(side: EngineSide) -> None:
        side.request()
        side.wait_until_left()

    with scripted_engine(frozen) as first, scripted_engine(Counter()) as second:
        leave_unanswered(gateway, raw, first.url, second.url)
        wait_until(lambda: first.requests + second.requests)
        raw.leave()
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

    assert outcome.counts == TokenCounts(input_tokens=41)


def test_where_the_engine_is_gone_the_model_s_tokenizer_counts(
    gateway: RunningGateway, raw: RawClient
) -> None:
    with scripted_engine(Counter(refusals=10**6)) as engine:
        raw.chat(gateway.serve(engine.url, tokenizer=TOKENIZER))
        wait_until(lambda: engine.requests)
        raw.leave()
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

    assert outcome.counts == TokenCounts(input_tokens=CHAT_TOKENS)
    assert outcome.counted_by is CountedBy.TOKENIZER


def test_an_admission_stays_open_while_it_is_counted_and_a_stop_ends_the_counting(
    raw_stop: RunningGateway,
) -> None:
    gateway = raw_stop
    with scripted_engine(Counter(refusals=10**6)) as engine:
        with RawClient(gateway.port, gateway.key) as raw:
            leave_unanswered(gateway, raw, engine.url)
            wait_until(lambda: engine.requests)
            raw.leave()
        wait_until(lambda: len(gateway.counting) == 1)
        assert gateway.meter.open_requests == 1
        closing = gateway.counting.close(last_s=0.01)
        asyncio.run_coroutine_threadsafe(closing, gateway.loop).result(10)

    [outcome] = gateway.meter.outcomes
    assert outcome.counted_by is CountedBy.NONE
    assert gateway.meter.open_requests == 0
    assert len(gateway.counting) == 0


def test_a_client_that_waits_for_its_end_is_not_kept_for_a_count(
    raw_stop: RunningGateway,
) -> None:
    def script(side: EngineSide) -> None:
        request = side.request()
        if request is not None and request.target == "/tokenize":
            side.wait_until_left()
        elif request is not None:
            side.stream(*UNCOUNTED)
            side.send(STREAM_END)

    with scripted_engine(script) as engine:
        model = raw_stop.serve(engine.url, tokenizer=TOKENIZER)
        sdk = raw_stop.openai().with_options(timeout=10 * WAITED_FOR_S)
        sdk_stream(sdk, model)

    [outcome] = raw_stop.meter.outcomes
    assert outcome.counts.input_tokens == CHAT_TOKENS


def test_what_an_engine_refuses_is_void_whoever_leaves_meanwhile(
    gateway: RunningGateway, raw: RawClient
) -> None:
    def script(side: EngineSide) -> None:
        side.request()
        refusal = whole({"error": {"message": "no"}}, status=400)
        side.send(refusal[:-1])
        side.wait_until_left()

    with scripted_engine(script) as engine:
        raw.chat(gateway.serve(engine.url))
        wait_until(lambda: engine.requests)
        wait_until(lambda: any(one.status == 400 for one in gateway.pool.running))
        raw.leave()
        wait_until(lambda: gateway.meter.voided)

    assert gateway.meter.outcomes == []


@pytest.fixture
def raw_stop() -> Iterator[RunningGateway]:
    """Run a gateway of its own, which counts for longer than any test waits."""
    with running_gateway(count_patience_s=600.0) as running:
        yield running


def test_a_prompt_that_was_not_wholly_sent_is_not_billed(
    gateway: RunningGateway, raw: RawClient
) -> None:
    with socket.socket() as deaf:
        # Connects in the kernel, and takes hardly any of a request that fits no buffer.
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        model = gateway.serve(f"http://127.0.0.1:{deaf.getsockname()[1]}")
        huge = [{"role": "user", "content": "word " * 800_000}]
        raw.post("/v1/chat/completions", {"model": model, "messages": huge})
        wait_until(lambda: len(gateway.live))
        raw.leave()
        wait_until(lambda: gateway.meter.voided)

    assert gateway.meter.outcomes == []


async def test_who_stops_waiting_for_a_count_does_not_stop_it() -> None:
    pool = EnginePool(timeouts=PATIENT)
    counting = Counting(pool, Snapshot(), TokenizerPool())
    go, ended = asyncio.Event(), asyncio.Event()

    async def settlement() -> None:
        await go.wait()
        ended.set()

    waiting = counting.later(settlement())
    waiting.cancel()
    await asyncio.wait({waiting})
    assert len(counting) == 1
    go.set()
    await asyncio.wait_for(ended.wait(), 5)
    await counting.close()
    await pool.close()
    assert len(counting) == 0
