"""An engine's prefix cache serves a tenant what it asked before, and nobody else."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    running_simulator,
)
from tests.inference.engines.wire import whole
from tests.inference.gateway.running import RunningGateway

PROMPT = " ".join(f"word{number}" for number in range(200))


@pytest.fixture
def engine() -> Iterator[RunningSimulator]:
    """Run an engine that remembers prompts, and says how much of one it knew."""
    with running_simulator(prefix_cache_blocks=1000) as running:
        yield running


def cached_tokens(gateway: RunningGateway, key: str, model: str, **fields: Any) -> int:
    """Ask with the long prompt; return how much of it the engine had cached."""
    body = {"model": model, "messages": [{"role": "user", "content": PROMPT}]}
    answer = httpx.post(
        f"{gateway.url}/v1/chat/completions",
        headers={"authorization": f"Bearer {key}"},
        json=body | {"max_tokens": 1} | fields,
        trust_env=False,
    )
    details = answer.json()["usage"]["prompt_tokens_details"]
    return int((details or {}).get("cached_tokens") or 0)


def test_a_tenant_finds_its_own_prompts_and_no_other_s(
    gateway: RunningGateway, engine: RunningSimulator
) -> None:
    model = gateway.serve(engine.base_url, upstream_model="sim")
    mine, also_mine = (gateway.issue_key(tenant_id=71) for _ in range(2))
    theirs = gateway.issue_key(tenant_id=72)
    assert cached_tokens(gateway, mine, model) == 0
    known = cached_tokens(gateway, mine, model)
    assert known > 100
    assert cached_tokens(gateway, also_mine, model) == known
    assert cached_tokens(gateway, theirs, model) == 0
    assert cached_tokens(gateway, theirs, model) == known


def test_an_engine_of_another_dialect_is_told_no_salt(
    gateway: RunningGateway, engine: RunningSimulator
) -> None:
    model = gateway.serve(engine.base_url, upstream_model="sim", dialect="openai")
    first, second = (gateway.issue_key(tenant_id=number) for number in (73, 74))
    assert cached_tokens(gateway, first, model) == 0
    assert cached_tokens(gateway, second, model) > 100


def test_a_client_names_no_salt_of_its_own(
    gateway: RunningGateway, engine: RunningSimulator
) -> None:
    model = gateway.serve(engine.base_url, upstream_model="sim")
    refused = gateway.client.post(
        "/v1/chat/completions",
        json={
            "model": model,
            "messages": [{"role": "user", "content": "x"}],
            "cache_salt": "of another",
        },
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "cache_salt"


@pytest.mark.parametrize("path", ["embeddings", "rerank", "score"])
def test_what_only_reads_is_as_much_a_tenant_s_own(
    gateway: RunningGateway, path: str
) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "embeddings": {"input": PROMPT},
        "rerank": {"query": "a", "documents": [PROMPT]},
        "score": {"text_1": "a", "text_2": PROMPT},
    }

    def script(side: EngineSide) -> None:
        while side.request() is not None:
            side.send(whole({}, status=500))

    with scripted_engine(script) as engine:
        model = gateway.serve(engine.url, tasks=("embedding", "rerank", "score"))
        for tenant in (75, 75, 76):
            httpx.post(
                f"{gateway.url}/v1/{path}",
                headers={
                    "authorization": f"Bearer {gateway.issue_key(tenant_id=tenant)}"
                },
                json={"model": model, **bodies[path]},
                trust_env=False,
            )
        mine, again, other = (each.json["cache_salt"] for each in engine.requests)

    assert len(mine) == len(other) == 43
    assert mine == again != other
