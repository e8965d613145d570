"""What a tenant's prompts left in a real vLLM's cache, it alone ever finds there."""

from __future__ import annotations

import itertools

import pytest
from openai import OpenAI

from tests.engines.catalogue import another_tenant
from tests.engines.engine import Engine
from tests.journeys.product import Product

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1200)]

PROMPTS = 20
# Blocks of the cache are 16 tokens or, on this build, a few more.
WORDS = 300


def cached(client: OpenAI, model: str, prompt: str) -> int:
    """Ask, and return how much of the prompt was found in the cache."""
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": prompt}], max_tokens=1
    )
    assert answer.usage is not None
    details = answer.usage.prompt_tokens_details
    return (details.cached_tokens or 0) if details else 0


def test_a_cached_prefix_is_its_tenants_alone(
    tried_product: Product, engine: Engine
) -> None:
    """Who is told of a hit learns what another has asked: nobody ever is."""
    keys = [tried_product.api_key] + [
        another_tenant(tried_product, slug) for slug in ("second", "third")
    ]
    clients = [OpenAI(base_url=tried_product.base_url, api_key=key) for key in keys]
    # Their template begins alike, less than a block of it.
    prompts = [f"{number} " + "what is this " * WORDS for number in range(PROMPTS)]
    first = [cached(clients[0], engine.model, prompt) for prompt in prompts]
    again = [cached(clients[0], engine.model, prompt) for prompt in prompts]
    others = [
        cached(client, engine.model, prompt)
        for client, prompt in itertools.product(clients[1:], prompts)
    ]
    for client in clients:
        client.close()
    assert first == [0] * PROMPTS
    assert min(again) > WORDS
    assert others == [0] * len(others)
