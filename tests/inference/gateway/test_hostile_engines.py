"""Engines that mean harm: each answer ends as an error, is bounded, and billed right.

What merely breaks is in `test_engine_faults`; these go on for as long as they are let.
"""

import gzip
from collections.abc import Callable, Iterator

import pytest

from inference.engines.origin import Timeouts
from inference.engines.simulator.tokens import delivered_tokens
from inference.openai.stream import CHUNKS_BEYOND, TOKENS_BEYOND
from kit.contracts import EventStatus, Outcome, TokenCounts
from tests.inference.engines import wire
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.wire import PROMPT_TOKENS, STREAM_HEAD, chunk, token
from tests.inference.gateway.client import Answer, RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway, running_gateway

ASKED = 20
BILLED = TokenCounts(input_tokens=PROMPT_TOKENS, output_tokens=3)
THREE = tuple(token(number) for number in (1, 2, 3))
OK_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
_MIB = 1024 * 1024
# More than a gateway may take of what has no end.
_ENDLESS_BYTES = 64 * _MIB


@pytest.fixture(scope="module")
def _gateway() -> Iterator[RunningGateway]:
    """Run a gateway of little patience."""
    timeouts = Timeouts(connect=1.0, first_byte=0.6, idle=0.5)
    with running_gateway(timeouts=timeouts) as running:
        yield running


class Flood:
    """Sends one thing over and over, and counts how much was taken of it."""

    def __init__(self, piece: bytes, *, behind: bytes = b"") -> None:
        self._behind = behind
        self._piece = piece * (1 + 65_536 // len(piece))
        self.taken_bytes = 0

    def __call__(self, side: EngineSide) -> None:
        """Follow the script until nobody takes any more, or far too much was taken."""
        side.request()
        side.send(self._behind)
        while self.taken_bytes < _ENDLESS_BYTES:
            side.send(self._piece)
            self.taken_bytes += len(self._piece)


def ask(
    gateway: RunningGateway,
    script: Callable[[EngineSide], None],
    *,
    stream: bool = True,
    dialect: str = "vllm",
) -> tuple[Answer, list[Outcome]]:
    """Send one request to an engine of this script; return the answer and outcomes."""
    with (
        scripted_engine(script) as engine,
        RawClient(gateway.port, gateway.key) as client,
    ):
        model = gateway.serve(engine.url, dialect=dialect)
        client.chat(model, stream=stream, max_tokens=ASKED)
        answer = client.read()
    wait_until(lambda: gateway.meter.open_requests == 0)
    return answer, gateway.meter.outcomes


def begun(*, then: bytes = b"") -> bytes:
    """Return a stream that has brought three tokens."""
    return b"".join([STREAM_HEAD, *map(chunk, THREE), then])


# What comes again and again behind three tokens.
FLOODS = {
    "comments": chunk(b": still here\n\n"),
    "empty events": chunk(b"data:\n\n"),
    "line ends": chunk(b"\n" * 4096),
    "one line": chunk(b"x" * 65_536),
    "one event": chunk(b'data: {"a":"' + b"x" * 65_536),
    "names": chunk(b"event: ping\n"),
    "roles": chunk(wire.event(
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    )),
    "news of no choice": chunk(b'data: {"choices":[]}\n\n'),
    "the same token": chunk(token(3)),
}  # fmt: skip


@pytest.mark.parametrize("what", FLOODS)
def test_a_stream_that_never_ends_is_cut_off(
    gateway: RunningGateway, what: str
) -> None:
    flood = Flood(FLOODS[what], behind=begun())
    answer, [outcome] = ask(gateway, flood)
    assert flood.taken_bytes < _ENDLESS_BYTES
    assert answer.status == 200
    assert not answer.is_done
    assert answer.events[-1].startswith(b'{"error":{')
    assert outcome.status is EventStatus.ENGINE_ERROR
    assert outcome.counts == BILLED


@pytest.mark.parametrize("dialect", ["vllm", "openai"])
def test_more_tokens_than_were_asked_for_are_not_passed_on(
    gateway: RunningGateway, dialect: str
) -> None:
    counts = dialect == "vllm"

    def run_on(side: EngineSide) -> None:
        side.request()
        side.send(STREAM_HEAD)
        for number in range(1, 1_000_000):
            side.send(chunk(token(number) if counts else _uncounted(number)))

    answer, [outcome] = ask(gateway, run_on, dialect=dialect)
    assert not answer.is_done
    assert answer.events[-1].startswith(b'{"error":{')
    assert outcome.status is EventStatus.ENGINE_ERROR
    if counts:
        most = ASKED + TOKENS_BEYOND
        assert outcome.counts.output_tokens == delivered_tokens(answer.text) <= most
    else:
        most = 2 * (ASKED + TOKENS_BEYOND) + CHUNKS_BEYOND
        assert len(answer.chunks) <= most + 1


def _uncounted(number: int) -> bytes:
    choice = {"index": 0, "delta": {"content": f" t{number}"}, "finish_reason": None}
    return wire.event({"choices": [choice]})


HEADS = {
    "headers": b"a: b\r\n",
    "one header": b"a" * 4096,
    "interim answers": b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n",
}


@pytest.mark.parametrize("what", HEADS)
def test_a_head_that_never_ends_is_not_waited_for(
    gateway: RunningGateway, what: str
) -> None:
    behind = b"" if what == "interim answers" else OK_HEAD
    flood = Flood(HEADS[what], behind=behind)
    answer, outcomes = ask(gateway, flood)
    assert flood.taken_bytes < _ENDLESS_BYTES
    assert (answer.status, answer.json["error"]["code"]) == (502, "engine_failed")
    assert not any(outcome.counts.output_tokens for outcome in outcomes)


def test_a_head_that_drips_is_not_waited_for(gateway: RunningGateway) -> None:
    def drip(side: EngineSide) -> None:
        side.request()
        for byte in OK_HEAD * 100:
            side.send(bytes([byte]))
            if side.has_been_left(within_s=0.05):
                return

    answer, outcomes = ask(gateway, drip)
    assert (answer.status, answer.json["error"]["code"]) == (504, "engine_timeout")
    assert not outcomes


def _packed(stream: bool, encoding: bytes) -> bytes:
    bomb = gzip.compress(b" " * 32 * _MIB)
    kind = b"text/event-stream" if stream else b"application/json"
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-encoding: %b\r\n"
        b"content-length: %d\r\n\r\n%b" % (kind, encoding, len(bomb), bomb)
    )


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b"br"])
def test_a_packed_answer_is_not_unpacked(
    gateway: RunningGateway, stream: bool, encoding: bytes
) -> None:
    # Packed before the engine is asked: what packing takes is not its silence.
    packed = _packed(stream, encoding)

    def answer_packed(side: EngineSide) -> None:
        side.request()
        side.send(packed)
        side.wait_until_left()

    answer, outcomes = ask(gateway, answer_packed, stream=stream)
    assert (answer.status, answer.json["error"]["code"]) == (502, "engine_failed")
    assert not outcomes
    assert len(gateway.meter.voided) == 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(
    gateway: RunningGateway, stream: bool, status: int
) -> None:
    with scripted_engine(EngineSide.wait_until_left) as elsewhere:

        def redirect(side: EngineSide) -> None:
            side.request()
            side.send(
                b"HTTP/1.1 %d X\r\nlocation: %b/v1/chat/completions\r\n"
                b"content-length: 0\r\n\r\n" % (status, elsewhere.url.encode())
            )

        answer, outcomes = ask(gateway, redirect, stream=stream)
        assert not elsewhere.connections
    assert (answer.status, answer.json["error"]["code"]) == (502, "engine_failed")
    assert answer.header("location") is None
    assert not outcomes


@pytest.mark.parametrize(
    "framing",
    [
        b"zz\r\n",
        b"-1\r\n",
        b"ffffffffffffffffff\r\n",
        b"5\r\nabcdeXX",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"5 ;" + b"x" * 200_000,
    ],
)
def test_framing_that_is_none_ends_the_answer(
    gateway: RunningGateway, framing: bytes
) -> None:
    def misframe(side: EngineSide) -> None:
        side.request()
        side.send(begun(then=framing))
        side.wait_until_left()

    answer, [outcome] = ask(gateway, misframe)
    assert not answer.is_done
    assert delivered_tokens(answer.text) == outcome.counts.output_tokens == 3


@pytest.mark.parametrize("text", ["a\r\nset-cookie: x=y", "\u2028", "\x00", "\r\n\r\n"])
def test_what_an_engine_writes_breaks_out_of_no_frame(
    gateway: RunningGateway, text: str
) -> None:
    """Neither as text nor as the reason of a refusal."""

    def say(side: EngineSide) -> None:
        side.request()
        side.send(wire.whole({"error": {"message": text, "param": text}}, status=400))

    answer, _ = ask(gateway, say)
    assert answer.status == 400
    assert answer.json["error"]["message"] == text
    assert answer.header("set-cookie") is None
