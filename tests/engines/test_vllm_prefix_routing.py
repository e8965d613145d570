"""Two real vLLMs, neither of which can keep what all tenants say: together they do."""

from collections.abc import Iterator, Sequence
from itertools import count

import pytest

from tests.engines.server_process import ServerProcess, running_servers
from tests.engines.vllm_environment import ensure_vllm
from tests.engines.vllm_server import (
    SERVED_MODEL,
    engine_from_outside,
    vllm_program,
)
from tests.inference.gateway.conversing import Outcome, hold
from tests.inference.gateway.running import RunningGateway, running_gateway
from tests.inference.routing.conversations import Talks

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1200)]

# Short questions under long rules: by the engine's tokenizer a tenant's have 1,275
# tokens, which sixteen requests say, and each turn adds some 40 to them.
TALKS = Talks(
    tenants=12,
    conversations_each=4,
    turns=4,
    system_words=150,
    message_words=3,
    answer_words=3,
    at_once=12,
)
# The CPU build knows no smaller ones.
BLOCK_TOKENS = 32
# All that is different in all prompts, counted with the engine's tokenizer. An engine
# has room for 57 % of it: too little for what all tenants say, enough for its share.
DIFFERENT_BLOCKS = 723
# Besides that, each that runs fills its last block and the first of its answer.
BLOCKS = DIFFERENT_BLOCKS * 57 // 100 + 2 * TALKS.at_once
SLOTS = 32
COURSES = 5
_numbers = count()


@pytest.fixture(scope="module")
def small_engines() -> Iterator[list[ServerProcess]]:
    """Provide two vLLMs of our own, with little room for what they have computed."""
    if engine_from_outside():
        pytest.skip("needs engines of its own: run it without ENGINE_URL")
    program = vllm_program(
        ensure_vllm(),
        *("--block-size", str(BLOCK_TOKENS)),
        *("--num-gpu-blocks-override", str(BLOCKS)),
        *("--max-num-seqs", str(SLOTS)),
    )
    with running_servers(program, program) as servers:
        yield servers


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with running_gateway() as running:
        yield running


def outcome(
    gateway: RunningGateway, engines: list[ServerProcess], policy: str
) -> Outcome:
    """Hold all conversations by one policy, as tenants whom no cache knows yet."""
    urls = [engine.url for engine in engines]
    model = gateway.serve(
        *urls, upstream_model=SERVED_MODEL, policy=policy, slots=SLOTS
    )
    return hold(
        TALKS,
        gateway_url=gateway.url,
        model=model,
        keys={
            tenant: gateway.issue_key(tenant_id=100 + next(_numbers))
            for tenant in range(TALKS.tenants)
        },
        engine_urls=urls,
    )


def test_far_less_is_computed_than_in_turns(
    gateway: RunningGateway, small_engines: list[ServerProcess]
) -> None:
    """In all, some 1.6 times less: where so few tenants' homes are is left to chance.

    One course alone may draw nine of twelve homes at one of the two, and compute as
    much as turns do; five together do not, and never all at one.
    """
    in_turns, by_prompts = (
        [outcome(gateway, small_engines, policy) for _ in range(COURSES)]
        for policy in ("round_robin", "prefix_aware")
    )
    assert computed(in_turns) >= 1.2 * computed(by_prompts)
    assert sum(course.spread for course in by_prompts) <= 1.8 * COURSES


def computed(courses: Sequence[Outcome]) -> int:
    """Return how many tokens of prompts the engines computed in all of them."""
    return sum(course.computed_tokens for course in courses)
