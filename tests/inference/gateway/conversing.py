"""Conversations held through a gateway, with real engines behind it.

What engines computed of prompts is taken from their own counters, which vLLM and the
simulator have by the same names.
"""

import asyncio
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from tests.inference.routing.conversations import Talk, Talks, begun

TIMEOUT_S = 60.0
_SAMPLE = re.compile(r"^vllm:([a-z_]+)_total\{[^}]*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Counted:
    """What an engine counted."""

    prompt_tokens: int
    cached_tokens: int
    requests: int

    @property
    def computed_tokens(self) -> int:
        """Return how much of its prompts it had to compute."""
        return self.prompt_tokens - self.cached_tokens

    def since(self, before: "Counted") -> "Counted":
        """Return what has been added."""
        return Counted(
            self.prompt_tokens - before.prompt_tokens,
            self.cached_tokens - before.cached_tokens,
            self.requests - before.requests,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What all engines of a model counted of some conversations."""

    replicas: Sequence[Counted]

    @property
    def prompt_tokens(self) -> int:
        """Return how many tokens all prompts had."""
        return sum(each.prompt_tokens for each in self.replicas)

    @property
    def computed_tokens(self) -> int:
        """Return how many of them were computed."""
        return sum(each.computed_tokens for each in self.replicas)

    @property
    def spread(self) -> float:
        """Return the requests of the busiest replica over those of the mean."""
        requests = [each.requests for each in self.replicas]
        return max(requests) * len(requests) / sum(requests)


def counted(engine_url: str) -> Counted:
    """Read an engine's counters."""
    page = httpx.get(f"{engine_url}/metrics", timeout=TIMEOUT_S, trust_env=False)
    totals: dict[str, int] = {}
    for name, value in _SAMPLE.findall(page.text):
        totals[name] = totals.get(name, 0) + int(float(value))
    return Counted(
        totals["prefix_cache_queries"],
        totals["prefix_cache_hits"],
        totals["request_success"],
    )


def hold(
    talks: Talks,
    *,
    gateway_url: str,
    model: str,
    keys: Mapping[int, str],
    engine_urls: Sequence[str],
) -> Outcome:
    """Hold all conversations to their end; `keys` are the tenants'."""
    before = [counted(url) for url in engine_urls]
    asyncio.run(_hold_all(talks, gateway_url, model, keys))
    after = [counted(url) for url in engine_urls]
    return Outcome([now.since(then) for now, then in zip(after, before, strict=True)])


async def _hold_all(
    talks: Talks, gateway_url: str, model: str, keys: Mapping[int, str]
) -> None:
    chance = random.Random(talks.seed)
    idle = begun(talks, chance)

    async def speak(client: httpx.AsyncClient) -> None:
        # One that finds none idle goes: those on their way are gone on with by others.
        while idle:
            talk = idle.pop(chance.randrange(len(idle)))
            answer = await _ask(client, talk, talks, model, keys[talk.tenant])
            talk.go_on(talks, chance, answer=answer)
            if talk.turns_left:
                idle.append(talk)

    async with (
        httpx.AsyncClient(
            base_url=gateway_url, timeout=TIMEOUT_S, trust_env=False
        ) as client,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(talks.at_once):
            group.create_task(speak(client))


async def _ask(
    client: httpx.AsyncClient, talk: Talk, talks: Talks, model: str, key: str
) -> str:
    """Let the next turn be answered, and return the answer's text."""
    answer = await client.post(
        "/v1/chat/completions",
        headers={"authorization": f"Bearer {key}"},
        json={
            "model": model,
            "messages": talk.messages,
            "max_tokens": talks.answer_words,
            "ignore_eos": True,
        },
    )
    assert answer.status_code == 200, answer.text
    content: str = answer.json()["choices"][0]["message"]["content"]
    return content
