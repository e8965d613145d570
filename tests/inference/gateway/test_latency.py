"""What an event says of a request's times, beside what its client saw.

Only order is asserted: an engine paces its tokens, and no clock of ours can see one
before it was sent, nor a client its answer's end before we wrote it.
"""

from dataclasses import dataclass

import pytest

from kit.clock import boot_us
from kit.contracts import Outcome
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

FIRST_MS, NEXT_MS, TOKENS = 60, 15, 6
# Clocks of loops fire up to their resolution early.
EARLY_US = 1_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client measured as `vllm bench serve` does."""

    first_us: int
    last_us: int
    end_us: int
    headers: dict[str, str]


def stream(raw: RawClient, model: str) -> Seen:
    """Ask for a stream, and note when each piece of text came."""
    arrivals: list[int] = []
    text = ""
    started_us = boot_us()
    raw.chat(model, stream=True, max_tokens=TOKENS)
    while not raw.answers:
        raw.read_some()
        if (now := raw.so_far.text) != text:
            text = now
            arrivals.append(boot_us() - started_us)
    end_us = boot_us() - started_us
    headers = dict(raw.read().headers)
    return Seen(arrivals[0], arrivals[-1], end_us, headers)


def times(outcome: Outcome) -> tuple[int, int, int, int]:
    """Return when it was sent, its first token, its last, and its longest gap."""
    latency = outcome.latency
    found = (
        latency.queue_us,
        outcome.first_token_us,
        latency.last_token_us,
        latency.gap_max_us,
    )
    assert None not in found
    return found  # type: ignore[return-value]


def test_a_stream_s_event_tells_the_times_that_its_client_saw(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    simulator.change(first_token_ms=FIRST_MS, inter_token_ms=NEXT_MS)
    seen = stream(raw, model)

    [outcome] = gateway.meter.outcomes
    queue_us, first_us, last_us, gap_us = times(outcome)
    assert outcome.latency.chunks == TOKENS
    assert 0 <= queue_us <= first_us <= last_us <= outcome.duration_us <= seen.end_us
    assert first_us - queue_us >= FIRST_MS * 1000 - EARLY_US
    assert last_us - first_us <= (TOKENS - 1) * gap_us
    assert gap_us >= NEXT_MS * 1000 - EARLY_US
    # The request was on its way before it arrived, and a piece after it was written:
    # what we say can only be later than what was read by what writing it took.
    assert first_us <= seen.first_us + NEXT_MS * 1000
    assert last_us <= seen.last_us + NEXT_MS * 1000
    head = seen.headers
    assert float(head["x-tollgate-queue-ms"]) == pytest.approx(queue_us / 1000, abs=0.1)
    ttft_ms = float(head["x-tollgate-ttft-ms"])
    assert FIRST_MS - 1 <= ttft_ms <= first_us / 1000
    assert int(head["openai-processing-ms"]) <= ttft_ms
    assert head["x-tollgate-model"] == model
    assert "x-tollgate-engine-ms" not in head


def test_a_whole_answer_s_head_tells_what_it_took(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    simulator.change(first_token_ms=FIRST_MS)
    raw.chat(model, max_tokens=3)
    answer = raw.read()

    [outcome] = gateway.meter.outcomes
    latency = outcome.latency
    assert latency.queue_us is not None
    assert latency.last_token_us is not None
    assert (latency.chunks, latency.gap_max_us) == (None, None)
    engine_us = latency.last_token_us - latency.queue_us
    assert engine_us >= FIRST_MS * 1000 - EARLY_US
    engine_ms = float(answer.header("x-tollgate-engine-ms") or 0)
    assert engine_ms == pytest.approx(engine_us / 1000, abs=0.001)
    assert engine_ms <= int(answer.header("openai-processing-ms") or 0) + 1
    assert answer.header("x-tollgate-ttft-ms") is None


def test_what_a_commit_takes_is_no_token_s_time(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    simulator.change(inter_token_ms=1)
    gateway.meter.hold_commits()
    raw.chat(model, stream=True, max_tokens=3)
    raw.read_text(" t3")
    wait_until(lambda: gateway.meter.settled)
    held_until_us = boot_us()
    gateway.meter.release()
    raw.read()
    [outcome] = gateway.meter.outcomes
    *_, last_us, _ = times(outcome)
    assert last_us <= outcome.duration_us <= held_until_us


def test_an_engine_that_counts_at_the_end_is_timed_by_its_text(
    gateway: RunningGateway, simulator: RunningSimulator, raw: RawClient
) -> None:
    simulator.change(inter_token_ms=NEXT_MS)
    plain = gateway.serve(simulator.base_url, upstream_model="sim", dialect="openai")
    stream(raw, plain)
    [outcome] = gateway.meter.outcomes
    _, first_us, last_us, gap_us = times(outcome)
    assert outcome.latency.chunks == TOKENS
    assert first_us < last_us <= outcome.duration_us
    assert gap_us >= NEXT_MS * 1000 - EARLY_US
