"""A client that would not notice a lost token measures nothing worth having."""

from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engines.simulator.tokens import answer_text
from tests.bench.answers import Answer, Verdict, judge, token_times_ns

TOKENS = 12
DONE = b"data: [DONE]\n\n"


def chunk(**delta: str) -> bytes:
    """Return an event of a stream, in the shape of vLLM's."""
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    body = orjson.dumps({"id": "chatcmpl-1", "choices": [choice]})
    return b"data: " + body + b"\n\n"


def usage(tokens: int = TOKENS) -> bytes:
    """Return the event that reports the tokens of a stream."""
    counts = {"prompt_tokens": 9, "completion_tokens": tokens}
    return b"data: " + orjson.dumps({"choices": [], "usage": counts}) + b"\n\n"


ROLE, FINISH = chunk(role="assistant", content=""), chunk(content="")
TEXTS = [chunk(content=f" t{number}") for number in range(1, TOKENS + 1)]
STREAM = [ROLE, *TEXTS, FINISH, usage(), DONE]


def answer(parts: Sequence[bytes], *, status: int = 200) -> Answer:
    """Return an answer whose parts came 10 ns apart."""
    times_ns = [100 + 10 * number for number in range(len(parts))]
    return Answer(status, 0, list(parts), times_ns)


def verdict_of(parts: Sequence[bytes]) -> Verdict:
    return judge(answer(parts), tokens=TOKENS, stream=True)[0]


def test_a_whole_stream_is_whole() -> None:
    assert verdict_of(STREAM) is Verdict.WHOLE


@given(lost=st.integers(1, TOKENS))
def test_a_lost_token_breaks_a_stream(lost: int) -> None:
    assert verdict_of([*STREAM[:lost], *STREAM[lost + 1 :]]) is Verdict.BROKEN


@given(doubled=st.integers(1, TOKENS))
def test_a_doubled_token_breaks_a_stream(doubled: int) -> None:
    assert verdict_of([*STREAM[: doubled + 1], *STREAM[doubled:]]) is Verdict.BROKEN


@given(swapped=st.integers(1, TOKENS - 1))
def test_tokens_out_of_order_break_a_stream(swapped: int) -> None:
    parts = list(STREAM)
    parts[swapped], parts[swapped + 1] = parts[swapped + 1], parts[swapped]
    assert verdict_of(parts) is Verdict.BROKEN


@given(end=st.integers(0, len(b"".join(STREAM)) - 1))
def test_a_cut_stream_is_broken(end: int) -> None:
    assert verdict_of([b"".join(STREAM)[:end]]) is Verdict.BROKEN


@pytest.mark.parametrize(
    "reports", [[], [usage(TOKENS - 1)], [usage(), usage()], [usage(TOKENS * 10)]]
)
def test_usage_is_reported_once_and_right(reports: list[bytes]) -> None:
    assert verdict_of([ROLE, *TEXTS, FINISH, *reports, DONE]) is Verdict.BROKEN


def test_a_refusal_is_an_error() -> None:
    refused = answer([b'{"error": {}}'], status=503)
    verdict, reason = judge(refused, tokens=TOKENS, stream=True)
    assert verdict is Verdict.ERROR
    assert "503" in reason


@pytest.mark.parametrize(
    ("text", "counted", "verdict"),
    [
        (answer_text(TOKENS), TOKENS, Verdict.WHOLE),
        (answer_text(TOKENS - 1), TOKENS, Verdict.BROKEN),
        (answer_text(TOKENS), TOKENS + 1, Verdict.BROKEN),
        (answer_text(TOKENS) + " t1", TOKENS, Verdict.BROKEN),
        (None, TOKENS, Verdict.BROKEN),
    ],
)
def test_a_whole_answer_holds_its_tokens(
    text: str | None, counted: int, verdict: Verdict
) -> None:
    choices = [{"message": {"content": text}}] if text else []
    body = {"choices": choices, "usage": {"completion_tokens": counted}}
    given_answer = answer([orjson.dumps(body)])
    assert judge(given_answer, tokens=TOKENS, stream=False)[0] is verdict


@given(cuts=st.sets(st.integers(1, len(b"".join(STREAM)) - 1)))
def test_a_token_comes_with_the_part_that_completes_it(cuts: set[int]) -> None:
    body, bounds = b"".join(STREAM), [0, *sorted(cuts)]
    parts = [
        body[begin:end] for begin, end in zip(bounds, [*bounds[1:], None], strict=True)
    ]
    expected = []
    for number in range(1, TOKENS + 1):
        quote = body.index(b'" t%d"' % number) + len(b'" t%d"' % number) - 1
        part = sum(1 for cut in cuts if cut <= quote)
        expected.append(100 + 10 * part)
    assert list(token_times_ns(answer(parts))) == expected
