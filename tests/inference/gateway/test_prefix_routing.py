"""Conversations through a gateway: routed by prompts, engines compute half as much."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from inference.engines.simulator.prefix_cache import BLOCK_TOKENS
from tests.engines.server_process import (
    ServerProcess,
    ServerProgram,
    running_servers,
)
from tests.inference.gateway.conversing import Outcome, hold
from tests.inference.gateway.running import RunningGateway
from tests.inference.routing.conversations import Talks

ROOT = Path(__file__).parents[3]
REPLICAS = 4
SLOTS = 8
CACHED_PART = 0.3
TALKS = Talks(
    conversations_each=5,
    turns=8,
    system_words=400,
    message_words=60,
    answer_words=40,
    at_once=12,
)


@pytest.fixture(scope="module")
def engines() -> Iterator[list[ServerProcess]]:
    """Provide simulators, each a process of its own."""
    program = ServerProgram(
        name="simulator",
        command=lambda port: (
            *(sys.executable, "-m", "inference.engines.simulator"),
            *("--port", str(port), "--sequences-max", str(SLOTS)),
            *("--inter-token-ms", "2", "--prefill-us-per-token", "50"),
        ),
        health="/health",
        variables={"PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"},
        start_seconds=30.0,
    )
    with running_servers(*[program] * REPLICAS) as servers:
        yield servers


def outcome(
    gateway: RunningGateway,
    engines: Sequence[ServerProcess],
    policy: str,
    talks: Talks = TALKS,
) -> Outcome:
    """Hold the conversations by one policy, beginning with empty caches."""
    blocks = int(talks.different_words * CACHED_PART) // BLOCK_TOKENS
    for engine in engines:
        for sized in (0, blocks):
            settings = {"prefix_cache_blocks": sized}
            httpx.post(f"{engine.url}/simulator/settings", json=settings)
    urls = [engine.url for engine in engines]
    return hold(
        talks,
        gateway_url=gateway.url,
        model=gateway.serve(*urls, upstream_model="sim", policy=policy, slots=SLOTS),
        keys={
            tenant: gateway.issue_key(tenant_id=tenant + 1)
            for tenant in range(talks.tenants)
        },
        engine_urls=urls,
    )


def test_half_of_what_turns_compute_is_not_computed(
    gateway: RunningGateway, engines: list[ServerProcess]
) -> None:
    by_turns = outcome(gateway, engines, "round_robin")
    by_prompts = outcome(gateway, engines, "prefix_aware")
    requests = TALKS.tenants * TALKS.conversations_each * TALKS.turns
    for each in (by_turns, by_prompts):
        assert sum(replica.requests for replica in each.replicas) == requests
    assert by_turns.computed_tokens >= 2 * by_prompts.computed_tokens
    assert by_prompts.spread <= 1.3
