"""A client that does not read: the engine is paused, memory is bounded, others flow."""

import threading
import time

import pytest

from inference.engines.exchange import BUFFER_BYTES_MAX
from inference.engines.origin import Timeouts
from inference.gateway.handover import PIECE_BYTES
from kit.contracts import EventStatus
from tests.inference.engines import wire
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway, running_gateway

FLOOD_BYTES = 40_000_000
# What the kernel holds on both connections by its own choice, and our own buffers.
IN_BETWEEN_BYTES_MAX = 20_000_000
NARROW = 32 * 1024


class Flood:
    """An engine that sends forty megabytes as fast as they are taken."""

    def __init__(self, block_bytes: int) -> None:
        self.block = "x" * block_bytes
        self.blocks = FLOOD_BYTES // block_bytes
        self.sent = 0
        self.ended = threading.Event()

    def __call__(self, side: EngineSide) -> None:
        """Send numbered blocks, and note how far it got."""
        side.request()
        side.send(wire.STREAM_HEAD)
        try:
            for number in range(1, self.blocks + 1):
                chunk = wire.chat_chunk({"content": self.block})
                event = wire.event(chunk | {"usage": wire.running(number)})
                side.send(wire.chunk(event))
                self.sent = number
            ending = (wire.finish(self.blocks), wire.usage(self.blocks), wire.DONE)
            side.send(*map(wire.chunk, ending), wire.STREAM_END)
        finally:
            self.ended.set()


def test_the_engine_waits_for_a_client_that_does_not_read_and_nobody_else_does(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    flood = Flood(100_000)
    with (
        scripted_engine(flood) as engine,
        RawClient(gateway.port, gateway.key, receive_bytes=NARROW) as slow,
    ):
        slow.chat(gateway.serve(engine.url), stream=True)
        wait_until(lambda: _stands_still(flood))
        assert 0 < flood.sent * len(flood.block) < IN_BETWEEN_BYTES_MAX
        paused = [each for each in gateway.pool.running if each._reading_paused]
        assert len(paused) == 1
        assert paused[0]._buffered < BUFFER_BYTES_MAX + 2 * 256 * 1024

        raw.chat(model, stream=True, max_tokens=500)
        assert raw.read().is_done

        answer = slow.read()
        assert answer.is_done
        assert len(answer.text) == FLOOD_BYTES

    statuses = [outcome.status for outcome in gateway.meter.outcomes]
    assert statuses == [EventStatus.OK, EventStatus.OK]
    outputs = [outcome.counts.output_tokens for outcome in gateway.meter.outcomes]
    assert outputs == [500, flood.blocks]


def test_a_client_that_takes_nothing_for_too_long_pays_for_what_it_took() -> None:
    flood = Flood(2_000)
    with (
        running_gateway(stall_s_max=0.3) as gateway,
        scripted_engine(flood) as engine,
        RawClient(gateway.port, gateway.key, receive_bytes=NARROW) as slow,
    ):
        slow.chat(gateway.serve(engine.url), stream=True)
        [outcome] = wait_until(lambda: gateway.meter.outcomes)
        assert flood.ended.wait(10)

    assert outcome.status is EventStatus.CLIENT_GONE
    assert 0 < outcome.counts.output_tokens < flood.sent < flood.blocks
    assert outcome.counts.output_tokens < outcome.generated_tokens


@pytest.mark.parametrize("ahead", [1, 2])
def test_who_does_not_read_its_whole_answers_is_dropped(ahead: int) -> None:
    body = wire.answer("x" * 8_000_000, output=9)

    def script(side: EngineSide) -> None:
        while side.request():
            side.send(wire.whole(body))

    with (
        running_gateway(stall_s_max=0.3) as gateway,
        scripted_engine(script) as engine,
        RawClient(gateway.port, gateway.key, receive_bytes=NARROW) as slow,
    ):
        model = gateway.serve(engine.url)
        for _ in range(ahead):
            slow.chat(model)
        wait_until(lambda: len(gateway.meter.outcomes) == ahead)
        wait_until(lambda: not gateway.server.server_state.connections)
        wait_until(lambda: not gateway.server.server_state.tasks)
        # The one it might have read is its own; of the other it was handed nothing.
        assert len(gateway.meter.corrections) == ahead - 1


def test_who_reads_a_whole_answer_slowly_gets_it_all() -> None:
    body = wire.answer("x" * 8_000_000, output=9)

    def script(side: EngineSide) -> None:
        side.request()
        side.send(wire.whole(body))

    with (
        running_gateway(stall_s_max=0.2) as gateway,
        scripted_engine(script) as engine,
        RawClient(gateway.port, gateway.key, receive_bytes=NARROW) as slow,
    ):
        slow.chat(gateway.serve(engine.url))
        began, pause = time.monotonic(), threading.Event()
        while time.monotonic() - began < 0.8:
            slow.read_some()
            pause.wait(0.02)
        assert len(slow.read().body) > 8_000_000


def test_the_engine_is_not_called_silent_while_its_client_is_slow() -> None:
    timeouts = Timeouts(connect=1.0, first_byte=0.5, idle=0.3)
    flood = Flood(100_000)
    with (
        running_gateway(timeouts=timeouts) as gateway,
        scripted_engine(flood) as engine,
        RawClient(gateway.port, gateway.key, receive_bytes=NARROW) as slow,
    ):
        slow.chat(gateway.serve(engine.url), stream=True)
        wait_until(lambda: _stands_still(flood, looks=200))
        assert slow.read().is_done
        assert gateway.meter.outcomes[0].status is EventStatus.OK


def test_a_slow_client_that_leaves_pays_for_what_it_has_read() -> None:
    def burst(side: EngineSide) -> None:
        side.request()
        side.stream(*map(wire.token, range(1, 20_001)))
        side.wait_until_left()

    with (
        running_gateway() as gateway,
        scripted_engine(burst) as engine,
        RawClient(gateway.port, gateway.key, receive_bytes=4096) as slow,
    ):
        slow.chat(gateway.serve(engine.url), stream=True)
        wait_until(lambda: any(each._reading_paused for each in gateway.pool.running))
        [connection] = gateway.server.server_state.connections
        size = gateway.run(connection.transport.get_write_buffer_size)
        # What this process still holds is not handed over: one piece and no more.
        assert 0 < size < 2 * PIECE_BYTES
        answer = slow.read_until(lambda answer: len(answer.body) > 1_500_000)
        slow.reset()
        [outcome] = wait_until(lambda: gateway.meter.outcomes)

        assert outcome.status is EventStatus.CLIENT_GONE
        # The last piece may have left this process in part.
        missed_max = 2 * PIECE_BYTES // len(wire.token(1))
        assert outcome.counts.output_tokens >= len(answer.chunks) - missed_max


def _stands_still(flood: Flood, *, looks: int = 40) -> bool:
    """Tell whether the engine has got no further over many looks."""
    before = flood.sent
    return before > 0 and not any(
        flood.ended.wait(0.005) or flood.sent != before for _ in range(looks)
    )


def test_who_reads_slowly_keeps_nobody_from_an_engine_that_is_done(
    gateway: RunningGateway, raw: RawClient
) -> None:
    text = "x" * 200_000

    def script(side: EngineSide) -> None:
        while side.request():
            events = (wire.token(1), wire.finish(1, text=text), wire.usage(1))
            side.stream(*events, wire.DONE)
            side.send(wire.STREAM_END)

    with (
        scripted_engine(script) as engine,
        RawClient(gateway.port, gateway.key, receive_bytes=NARROW) as slow,
    ):
        model = gateway.serve(engine.url, slots=1)
        slow.chat(model, stream=True)
        wait_until(lambda: len(engine.requests) == 1)
        raw.chat(model, stream=True)
        assert raw.read().is_done
        assert not slow.answers
        assert slow.read().text == " t1" + text
