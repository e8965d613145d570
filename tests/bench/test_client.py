"""The load client against a real engine, and against all that must not pass for one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from config.local.children import LOOPBACK, free_port
from tests.bench.client import Load, Observed
from tests.bench.scenarios import Scenario
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    running_simulator,
)

STREAMED = Scenario(
    name="short",
    question="does the client count?",
    connections=4,
    tokens=8,
    stream=True,
    inter_token_ms=2,
    warm_up_s=0.05,
    window_s=0.4,
)
UNSTREAMED = replace(STREAMED, stream=False, inter_token_ms=0)


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    """Provide an engine that makes a token each 2 ms."""
    with running_simulator(inter_token_ms=STREAMED.inter_token_ms) as running:
        yield running


async def observe(
    scenario: Scenario, port: int, *, sent: Scenario | None = None, model: str = "sim"
) -> Observed:
    """Run a scenario, perhaps with the request of another one."""
    request = (sent or scenario).request(host="test", model=model, key="")
    run = await Load(scenario, port=port, request=request).run(lambda: None)
    return run.observed


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Provide the port of a server that takes requests and never answers."""
    server = await asyncio.get_running_loop().create_server(
        asyncio.Protocol, LOOPBACK, 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_streams_are_counted_to_the_token(simulator: RunningSimulator) -> None:
    before = simulator.stats()
    seen = await observe(STREAMED, simulator.port)
    idle = simulator.await_stats(lambda stats: stats["running"] == 0)
    assert seen.answers > 0
    assert (seen.errors, seen.broken, seen.reasons) == (0, 0, {})
    assert seen.tokens == seen.answers * STREAMED.tokens
    assert seen.tokens <= idle["generation_tokens"] - before["generation_tokens"]
    assert len(seen.first_ns) == seen.answers
    assert len(seen.gaps_ns) == seen.answers * (STREAMED.tokens - 1)
    assert len(seen.endings_ns) == seen.answers
    assert min(seen.endings_ns) >= 0
    # Due times are absolute, so no stream can be faster than its pace on the whole.
    pace_ns = STREAMED.inter_token_ms * 1e6
    assert sum(seen.gaps_ns) / len(seen.gaps_ns) > pace_ns / 2


async def test_whole_answers_are_counted(simulator: RunningSimulator) -> None:
    seen = await observe(UNSTREAMED, simulator.port)
    assert seen.answers > 0
    assert seen.tokens == seen.answers * UNSTREAMED.tokens
    assert (seen.errors, seen.broken) == (0, 0)
    assert min(seen.first_ns) > 0


@pytest.mark.parametrize("scenario", [STREAMED, UNSTREAMED])
@pytest.mark.parametrize("surplus", [-1, 1])
async def test_other_tokens_than_asked_for_are_broken_answers(
    simulator: RunningSimulator, scenario: Scenario, surplus: int
) -> None:
    sent = replace(scenario, tokens=scenario.tokens + surplus)
    seen = await observe(scenario, simulator.port, sent=sent)
    assert seen.answers == 0
    assert seen.broken > 0
    assert seen.errors == 0


async def test_a_refusal_is_an_error(simulator: RunningSimulator) -> None:
    seen = await observe(STREAMED, simulator.port, model="another")
    assert (seen.answers, seen.broken) == (0, 0)
    assert seen.errors > 0
    assert "404" in next(iter(seen.reasons))


async def test_nobody_there_is_an_error() -> None:
    seen = await observe(STREAMED, free_port())
    assert seen.answers == 0
    assert seen.errors > 0


async def test_a_slow_stream_is_no_error(simulator: RunningSimulator) -> None:
    slow = replace(STREAMED, tokens=20_000)
    seen = await observe(slow, simulator.port)
    assert (seen.answers, seen.errors, seen.broken) == (0, 0, 0)


async def test_of_a_crowd_the_unfinished_streams_count(
    simulator: RunningSimulator,
) -> None:
    before = simulator.stats()
    crowd = replace(STREAMED, tokens=20_000, warm_up_s=0.2, is_crowd=True)
    seen = await observe(crowd, simulator.port)
    made = simulator.stats()["generation_tokens"] - before["generation_tokens"]
    assert (seen.answers, seen.errors, seen.broken) == (0, 0, 0)
    # The window is two thirds of the time; what came before it does not count.
    assert 0 < seen.tokens < made
    assert seen.tokens == len(seen.gaps_ns)
    assert seen.first_ns == []


async def test_silence_is_an_error() -> None:
    async with silent_server() as port:
        seen = await observe(STREAMED, port)
    assert seen.answers == 0
    assert seen.errors == STREAMED.connections
