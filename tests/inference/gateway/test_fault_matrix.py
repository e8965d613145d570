"""Each fault of an engine at each token of an answer: the event, the bill, the client.

However an engine goes wrong, the client hears of it and pays for what it was handed
over: its prompt and the tokens before the fault, nothing where there was no token. No
stream ends as if it were whole, none hangs, and nothing stays open behind it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from openai import APIError

from inference.engines.origin import Timeouts
from inference.engines.simulator.tokens import (
    answer_text,
    chat_tokens,
    delivered_tokens,
    text_tokens,
)
from inference.tokenizers.encodings import text_tokens as cl100k_tokens
from kit.contracts import CountedBy, EventStatus, Outcome, TokenCounts
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import Answer, RawClient
from tests.inference.gateway.holdings import await_holdings, holdings
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway, running_gateway

TOKENS = 50
PROMPT = "one two three"
PROMPT_TOKENS = len(chat_tokens([{"role": "user", "content": PROMPT}]))
ENCODING = "cl100k_base"
FREE = TokenCounts()

# What ends a stream at its token, and what its client is told.
ENDS = {
    "die": "engine_failed",
    "reset": "engine_failed",
    "hang": "engine_timeout",
    "early_end": "engine_failed",
    "half_event": "engine_failed",
    "engine_error": "engine_failed",
    "abort": "engine_failed",
    "garbage": "engine_failed",
    "cut_utf8": "engine_failed",
    "wrong_usage": "engine_failed",
    "wrong_usage_text": "engine_failed",
    "wrong_usage_negative": "engine_failed",
    "wrong_usage_missing": "engine_failed",
}
STATUSES = {
    "engine_failed": (EventStatus.ENGINE_ERROR, 502),
    "engine_timeout": (EventStatus.ENGINE_TIMEOUT, 504),
}
# Whether bytes that the engine has written arrive is the kernel's choice then.
LOSES_BYTES = "reset"


@pytest.fixture(scope="module")
def _gateway() -> Iterator[RunningGateway]:
    """Run a gateway of little patience."""
    timeouts = Timeouts(connect=1.0, first_byte=1.0, idle=0.4)
    with running_gateway(timeouts=timeouts) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer, its event if it has one, and the token at which the fault struck."""

    struck: int
    answer: Answer
    outcome: Outcome | None

    @property
    def output_tokens(self) -> int:
        """Return what was billed as output."""
        return self.outcome.counts.output_tokens if self.outcome else 0


@dataclass(frozen=True, slots=True)
class Asked:
    """How the requests of one test are made."""

    path: str = "/v1/chat/completions"
    stream: bool = True
    choices: int = 1
    tokens: int = TOKENS

    def body(self, model: str) -> dict[str, Any]:
        """Return the request."""
        body = {"model": model, "stream": self.stream, "max_tokens": self.tokens}
        if self.choices > 1:
            body["n"] = self.choices
        if self.path == "/v1/completions":
            return body | {"prompt": PROMPT}
        return body | {"messages": [{"role": "user", "content": PROMPT}]}


CHAT = Asked()


def strike(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    fault: str,
    at: range | tuple[int, ...],
    asked: Asked = CHAT,
) -> list[Heard]:
    """Ask once for each token at which the fault is to strike; hear all answers.

    All are under way at once, so that those that hang wait together.
    """
    clients: list[RawClient] = []
    try:
        for number, struck in enumerate(at, start=1):
            simulator.change(fault=fault, fault_after_tokens=struck)
            clients.append(RawClient(gateway.port, gateway.key))
            clients[-1].post(asked.path, asked.body(model))
            # A request keeps the behaviour that it met when it was taken.
            _await_taken(simulator, number)
        answers = [client.read() for client in clients]
    finally:
        for client in clients:
            client.leave()
    wait_until(lambda: gateway.meter.open_requests == 0)
    outcomes = {
        str(admission.request_id): outcome
        for admission, outcome in gateway.meter.settled
    }
    return [
        Heard(struck, answer, outcomes.get(answer.header("x-request-id") or ""))
        for struck, answer in zip(at, answers, strict=True)
    ]


def _await_taken(simulator: RunningSimulator, count: int) -> None:
    simulator.await_stats(lambda stats: stats["requests"] >= count)


def text_of(answer: Answer) -> dict[int, str]:
    """Return the text of each choice of a stream."""
    texts: dict[int, str] = {}
    for chunk in answer.chunks:
        for choice in chunk.get("choices", []):
            said = (
                choice["delta"].get("content") if "delta" in choice else choice["text"]
            )
            texts[choice["index"]] = texts.get(choice["index"], "") + (said or "")
    return texts


def check_broken(heard: Heard, fault: str, *, prompt_tokens: int) -> None:
    """Hold a stream that broke to its bill and to what its client heard."""
    status, refused = STATUSES[ENDS[fault]]
    answer, outcome = heard.answer, heard.outcome
    assert outcome is not None
    if answer.status == 200:
        delivered = sum(map(delivered_tokens, text_of(answer).values()))
        assert answer.chunks[-1]["error"]["code"] == ENDS[fault]
        assert not answer.is_done
    else:
        delivered = 0
        assert (answer.status, answer.json["error"]["code"]) == (refused, ENDS[fault])
    assert outcome.status is status
    assert delivered == heard.struck or (
        fault == LOSES_BYTES and delivered < heard.struck
    )
    prompt = prompt_tokens if delivered else 0
    assert outcome.counts == TokenCounts(prompt, output_tokens=delivered)
    assert outcome.counted_by is CountedBy.ENGINE or not delivered


@pytest.mark.parametrize("fault", ENDS)
def test_a_stream_that_breaks_at_any_token(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, fault: str
) -> None:
    before = holdings(gateway, simulator)
    heard = strike(gateway, simulator, model, fault, range(TOKENS + 1))
    assert len(gateway.meter.outcomes) == TOKENS + 1
    for each in heard:
        check_broken(each, fault, prompt_tokens=PROMPT_TOKENS)
    await_holdings(before, gateway, simulator)


@pytest.mark.parametrize("fault", ENDS)
@pytest.mark.parametrize(
    ("asked", "prompt_tokens"),
    [
        (Asked("/v1/completions"), len(text_tokens(PROMPT))),
        (Asked(choices=2, tokens=TOKENS // 2), PROMPT_TOKENS),
    ],
    ids=["completion", "two choices"],
)
def test_a_completion_or_two_choices_that_break_at_some_tokens(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    fault: str,
    asked: Asked,
    prompt_tokens: int,
) -> None:
    before = holdings(gateway, simulator)
    at = (0, 1, 2, 7, TOKENS // 2, TOKENS - 1, TOKENS)
    for each in strike(gateway, simulator, model, fault, at, asked):
        check_broken(each, fault, prompt_tokens=prompt_tokens)
    await_holdings(before, gateway, simulator)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("refuse", 503, "engine_overloaded"),
        ("reset_early", 502, "engine_failed"),
        ("silent", 504, "engine_timeout"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_that_never_answers_is_void(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    fault: str,
    status: int,
    code: str,
    stream: bool,
) -> None:
    before = holdings(gateway, simulator)
    simulator.change(fault=fault)
    with RawClient(gateway.port, gateway.key) as client:
        client.post(CHAT.path, Asked(stream=stream).body(model))
        answer = client.read()
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert len(gateway.meter.voided) == 1
    assert not gateway.meter.outcomes
    await_holdings(before, gateway, simulator)


@pytest.mark.parametrize("fault", ENDS)
def test_a_whole_answer_that_breaks_is_free(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, fault: str
) -> None:
    before = holdings(gateway, simulator)
    [heard] = strike(gateway, simulator, model, fault, (0,), Asked(stream=False))
    _, refused = STATUSES[ENDS[fault]]
    error = heard.answer.json["error"]
    assert (heard.answer.status, error["code"]) == (refused, ENDS[fault])
    assert heard.outcome is None or heard.outcome.counts == FREE
    await_holdings(before, gateway, simulator)


def test_counts_that_fall_end_the_answer_at_their_highest(
    gateway: RunningGateway, simulator: RunningSimulator, model: str
) -> None:
    before = holdings(gateway, simulator)
    for each in strike(gateway, simulator, model, "falling_usage", range(TOKENS + 1)):
        assert not each.answer.is_done
        assert each.answer.chunks[-1]["error"]["code"] == "engine_failed"
        assert each.outcome is not None
        assert each.outcome.status is EventStatus.ENGINE_ERROR
        assert each.output_tokens == each.struck
        assert each.outcome.counts.input_tokens == PROMPT_TOKENS
        # What began with nothing could not fall; its end did not fit its text.
        told = each.struck or TOKENS
        assert text_of(each.answer) == {0: answer_text(told)}
    await_holdings(before, gateway, simulator)


@pytest.mark.parametrize("stream", [True, False])
def test_bytes_behind_an_answer_are_never_a_part_of_it_or_of_the_next(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, stream: bool
) -> None:
    before = holdings(gateway, simulator)
    asked = Asked(stream=stream)
    for struck in range(TOKENS + 1):
        # One after another, so that each may get the connection of the one before.
        [each] = strike(gateway, simulator, model, "stray_bytes", (struck,), asked)
        assert b"stray" not in each.answer.body
        assert each.answer.is_done is stream
        assert each.outcome is not None
        assert each.outcome.status is EventStatus.OK
        assert each.outcome.counts == TokenCounts(PROMPT_TOKENS, output_tokens=TOKENS)
    await_holdings(before, gateway, simulator)


def test_what_no_usage_tells_is_counted_by_the_models_tokenizer(
    gateway: RunningGateway, simulator: RunningSimulator
) -> None:
    model = gateway.serve(simulator.base_url, upstream_model="sim", tokenizer=ENCODING)
    before = holdings(gateway, simulator)
    for each in strike(gateway, simulator, model, "no_usage", range(TOKENS + 1)):
        assert each.answer.is_done
        assert each.outcome is not None
        assert each.outcome.status is EventStatus.OK
        untold = answer_text(TOKENS).removeprefix(answer_text(each.struck))
        expected = each.struck + cl100k_tokens(ENCODING, untold)
        assert each.output_tokens == expected
        assert each.outcome.counts.input_tokens == PROMPT_TOKENS
        told_all = each.struck == TOKENS
        assert (each.outcome.counted_by is CountedBy.ENGINE) is told_all
    await_holdings(before, gateway, simulator)


@pytest.mark.parametrize("stream", [True, False])
def test_without_a_tokenizer_only_what_the_engine_told_is_billed(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, stream: bool
) -> None:
    before = holdings(gateway, simulator)
    at = range(TOKENS + 1) if stream else (0,)
    for each in strike(gateway, simulator, model, "no_usage", at, Asked(stream=stream)):
        assert each.answer.status == 200
        assert each.outcome is not None
        assert each.outcome.status is EventStatus.OK
        told = TokenCounts(PROMPT_TOKENS, output_tokens=each.struck)
        assert each.outcome.counts == (told if each.struck else FREE)
        is_none = each.outcome.counted_by is CountedBy.NONE
        assert is_none is (each.struck == 0)
    await_holdings(before, gateway, simulator)


@pytest.mark.parametrize("struck", [0, 1, TOKENS // 2, TOKENS])
@pytest.mark.parametrize("fault", ENDS)
def test_the_sdk_raises_and_has_exactly_what_is_billed(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    fault: str,
    struck: int,
) -> None:
    simulator.change(fault=fault, fault_after_tokens=struck)
    parts: list[str] = []

    def read() -> None:
        stream = gateway.openai().chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": PROMPT}],
            max_tokens=TOKENS,
            stream=True,
        )
        for chunk in stream:
            assert chunk.choices[0].finish_reason is None
            parts.append(chunk.choices[0].delta.content or "")

    with pytest.raises(APIError):
        read()
    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    assert delivered_tokens("".join(parts)) == outcome.counts.output_tokens
