"""Engines that break, lie or fall silent.

Never silence towards the client, never a token billed that was not handed over.
"""

from collections.abc import Callable, Iterator

import pytest

from inference.engines.origin import Timeouts
from inference.engines.simulator.tokens import delivered_tokens
from inference.gateway import relay
from kit.contracts import EventStatus, Outcome, TokenCounts
from tests.inference.engines import wire
from tests.inference.engines.scripted import EngineSide, Script, scripted_engine
from tests.inference.engines.wire import PROMPT_TOKENS, chunk, finish, token
from tests.inference.gateway.client import Answer, RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway, running_gateway

THREE = (token(1), token(2), token(3))
FREE = TokenCounts()


@pytest.fixture(scope="module")
def _gateway() -> Iterator[RunningGateway]:
    """Run a gateway of little patience."""
    timeouts = Timeouts(connect=1.0, first_byte=0.6, idle=0.3)
    with running_gateway(timeouts=timeouts) as running:
        yield running


def ask(
    gateway: RunningGateway, script: Script, *, stream: bool = True, n: int = 1
) -> tuple[Answer, list[Outcome]]:
    """Send one request to an engine of this script; return the answer and outcomes."""
    with (
        scripted_engine(script) as engine,
        RawClient(gateway.port, gateway.key) as client,
    ):
        client.chat(gateway.serve(engine.url), stream=stream, n=n)
        answer = client.read()
    wait_until(lambda: gateway.meter.open_requests == 0)
    return answer, gateway.meter.outcomes


def streaming(*parts: bytes, end: Callable[[EngineSide], None]) -> Script:
    """Return a script that streams these events, each in a chunk, and then ends so."""

    def script(side: EngineSide) -> None:
        side.request()
        side.stream(*parts)
        end(side)

    return script


def _end_cleanly(side: EngineSide) -> None:
    side.send(wire.STREAM_END)
    side.wait_until_left()


def _close(side: EngineSide) -> None:
    side.sock.close()


def _cut_a_chunk(side: EngineSide) -> None:
    side.send(chunk(token(4))[:40])
    side.sock.close()


def _say(data: bytes) -> Callable[[EngineSide], None]:
    def say(side: EngineSide) -> None:
        side.send(data)
        side.wait_until_left()

    return say


def _event(data: bytes) -> Callable[[EngineSide], None]:
    return _say(chunk(data))


BREAKS = {
    "closes": _close,
    "resets": EngineSide.reset,
    "cuts an event": _cut_a_chunk,
    "ends without a finish": _end_cleanly,
    "ends with the mark only": _event(wire.DONE),
    "sends garbage for HTTP": _say(b"\x00garbage\r\n"),
    "sends garbage for JSON": _event(b'data: {"choices": [{]}\n\n'),
    "sends a list": _event(b"data: []\n\n"),
    "sends no choices": _event(b'data: {"object":"error","message":"flat"}\n\n'),
    "sends a choice that is none": _event(b'data: {"choices":["x"]}\n\n'),
    "reports too much": _event(token(10**9)),
    "reports too much, plainly": _event(token(10**9 - 1)),
    "reports text": _event(token(4, usage={"prompt_tokens": "7"})),
    "reports less than nothing": _event(finish(-1)),
    "reports no count": _event(wire.usage(3, usage={})),
    "goes on after its finish": _event(finish(3) + token(3) * 10_000),
    "errs": _event(wire.event({"error": {"message": "boom", "code": 500}})),
    "errs with text": _event(wire.event({"error": "boom"})),
    "errs and pretends to end": _event(
        wire.event({"error": {"message": "boom", "code": 500}}) + wire.DONE
    ),
}


@pytest.mark.parametrize("way", BREAKS)
def test_a_stream_that_breaks_ends_with_an_error_and_bills_what_was_delivered(
    gateway: RunningGateway, way: str
) -> None:
    answer, [outcome] = ask(gateway, streaming(*THREE, end=BREAKS[way]))

    assert answer.status == 200
    assert answer.text == " t1 t2 t3"
    assert not answer.is_done
    assert answer.chunks[-1]["error"]["code"] == "engine_failed"
    assert b"boom" not in answer.body
    assert outcome.status is EventStatus.ENGINE_ERROR
    assert outcome.counts == TokenCounts(input_tokens=PROMPT_TOKENS, output_tokens=3)


@pytest.mark.parametrize("way", BREAKS)
def test_a_stream_that_breaks_before_its_first_token_is_an_answer_that_costs_nothing(
    gateway: RunningGateway, way: str
) -> None:
    answer, [outcome] = ask(gateway, streaming(end=BREAKS[way]))

    assert answer.status == 502
    assert answer.json["error"]["type"] == "server_error"
    assert (outcome.status, outcome.counts) == (EventStatus.ENGINE_ERROR, FREE)


def test_usage_that_falls_ends_the_answer_and_never_lowers_the_count(
    gateway: RunningGateway,
) -> None:
    answer, [outcome] = ask(
        gateway,
        streaming(
            token(5), token(2), finish(3), wire.usage(1, prompt=1), wire.DONE,
            end=_end_cleanly,
        ),
    )  # fmt: skip
    assert not answer.is_done
    assert answer.chunks[-1]["error"]["code"] == "engine_failed"
    assert outcome.status is EventStatus.ENGINE_ERROR
    assert outcome.counts == TokenCounts(input_tokens=PROMPT_TOKENS, output_tokens=5)


def test_a_refusal_inside_a_stream_that_has_not_begun_is_a_refusal(
    gateway: RunningGateway,
) -> None:
    error = {"message": "prompt is too long: maximum context length", "code": 400}
    answer, [outcome] = ask(
        gateway, streaming(wire.event({"error": error}), end=_end_cleanly)
    )
    assert answer.status == 400
    assert answer.json["error"]["code"] == "context_length_exceeded"
    assert outcome.counts == FREE


@pytest.mark.parametrize(
    ("part", "tokens"),
    [((), 0), (THREE, 3)],
)
def test_a_stream_that_falls_silent_is_ended(
    gateway: RunningGateway, part: tuple[bytes, ...], tokens: int
) -> None:
    answer, [outcome] = ask(gateway, streaming(*part, end=EngineSide.wait_until_left))
    error = answer.chunks[-1]["error"] if tokens else answer.json["error"]
    assert error["code"] == "engine_timeout"
    assert answer.status == (200 if tokens else 504)
    assert outcome.status is EventStatus.ENGINE_TIMEOUT
    assert outcome.counts.output_tokens == tokens
    assert outcome.counts.input_tokens == (PROMPT_TOKENS if tokens else 0)


@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_that_never_answers_is_given_up_and_nothing_is_billed(
    gateway: RunningGateway, stream: bool
) -> None:
    def say_nothing(side: EngineSide) -> None:
        side.request()
        side.wait_until_left()

    answer, outcomes = ask(gateway, say_nothing, stream=stream)
    assert (answer.status, answer.json["error"]["code"]) == (504, "engine_timeout")
    assert not outcomes
    assert len(gateway.meter.voided) == 1


def test_an_engine_that_drips_is_not_silent(gateway: RunningGateway) -> None:
    def drip(side: EngineSide) -> None:
        side.request()
        side.send(wire.STREAM_HEAD)
        for number in range(1, 9):
            # Each pause is a third of the patience; all together are more than it.
            assert not side.has_been_left(within_s=0.1)
            side.send(chunk(token(number)))
        side.send(*map(chunk, (finish(8), wire.usage(8), wire.DONE)), wire.STREAM_END)

    answer, [outcome] = ask(gateway, drip)
    assert answer.is_done
    assert outcome.status is EventStatus.OK


def test_usage_before_the_first_token_does_not_end_a_stream(
    gateway: RunningGateway,
) -> None:
    def early(side: EngineSide) -> None:
        side.request()
        counts = {"completion_tokens": 0, "prompt_tokens": PROMPT_TOKENS}
        side.stream(wire.usage(0, usage=counts))
        # Only once the usage was read on its own.
        assert not side.has_been_left(within_s=0.1)
        side.send(*map(chunk, (*THREE, finish(3), wire.DONE)), wire.STREAM_END)

    answer, [outcome] = ask(gateway, early)
    assert (answer.text, answer.is_done) == (" t1 t2 t3", True)
    assert outcome.counts.output_tokens == 3


def test_an_engine_that_does_not_end_a_complete_answer_is_left(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "TAIL_S_MAX", 0.05)

    def chatter(side: EngineSide) -> None:
        side.request()
        side.stream(*THREE, finish(3), wire.usage(3), wire.DONE)
        while not side.has_been_left(within_s=0.02):
            side.send(chunk(b": still here\n\n"))

    with (
        scripted_engine(chatter) as engine,
        RawClient(gateway.port, gateway.key) as client,
    ):
        client.chat(gateway.serve(engine.url), stream=True)
        assert client.read().is_done
        [side] = engine.connections
        assert side.ended.wait(5)


WHOLE_BREAKS: dict[str, bytes] = {
    "garbage": b"\x00garbage\r\n\r\n",
    "not JSON": wire.whole(b"<html>"),
    "a list": wire.whole([1]),
    "an error that says it is none": wire.whole({"error": {"message": "boom"}}),
    "an empty usage": wire.whole(wire.answer("x", output=1) | {"usage": {}}),
    "cut": wire.whole(wire.answer("x", output=1))[:-5],
    "impossible usage": wire.whole(
        wire.answer("x", output=1) | {"usage": {"completion_tokens": -1}}
    ),
    "textual usage": wire.whole(
        wire.answer("x", output=1) | {"usage": {"completion_tokens": "9"}}
    ),
    "switching": b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 X\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
}


@pytest.mark.parametrize("way", WHOLE_BREAKS)
def test_a_whole_answer_that_makes_no_sense_is_an_error_and_free(
    gateway: RunningGateway, way: str
) -> None:
    def answer_so(side: EngineSide) -> None:
        side.request()
        side.send(WHOLE_BREAKS[way])

    answer, outcomes = ask(gateway, answer_so, stream=False)
    assert (answer.status, answer.json["error"]["code"]) == (502, "engine_failed")
    assert all(outcome.counts == FREE for outcome in outcomes)
    assert len(outcomes) + len(gateway.meter.voided) == 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("status", "body", "seen", "code"),
    [
        (400, {"error": {"message": "no", "param": "top_k"}}, 400, None),
        (
            400,
            {"error": {"message": "long", "param": "input_tokens"}},
            400,
            "context_length_exceeded",
        ),
        (422, {"detail": "media"}, 400, None),
        (401, {"error": "Unauthorized"}, 502, "engine_failed"),
        (404, {"error": {"message": "Valid aliases: x"}}, 502, "engine_failed"),
        (429, {}, 503, "engine_overloaded"),
        (503, {"error": "scaling"}, 503, "engine_overloaded"),
        (500, [], 502, "engine_failed"),
    ],
)
def test_a_refusal_is_told_in_our_words_and_nothing_is_billed(
    gateway: RunningGateway,
    stream: bool,
    status: int,
    body: wire.Json,
    seen: int,
    code: str | None,
) -> None:
    def refuse(side: EngineSide) -> None:
        side.request()
        side.send(wire.whole(body, status=status))

    answer, outcomes = ask(gateway, refuse, stream=stream)
    assert (answer.status, answer.json["error"]["code"]) == (seen, code)
    assert b"aliases" not in answer.body
    assert (answer.header("retry-after") is not None) == (seen == 503)
    assert not outcomes
    assert len(gateway.meter.voided) == 1


def test_an_engine_may_die_after_any_token_and_just_these_are_billed(
    gateway: RunningGateway,
) -> None:
    for count in range(40):
        parts = [token(number) for number in range(1, count + 1)]
        end = EngineSide.reset if count % 2 else _close
        answer, outcomes = ask(gateway, streaming(*parts, end=end))
        delivered = delivered_tokens(answer.text) if count else 0
        assert delivered == outcomes[-1].counts.output_tokens
        assert delivered == count or end is EngineSide.reset
        assert not answer.is_done
    assert len(gateway.meter.outcomes) == 40
