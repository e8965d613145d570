"""Tenants that ask all the time, each with so many requests at once, and what they got.

Only what ends within the measured time counts. Failure: an answer that is neither whole
nor a refusal fails the test.
"""

import asyncio
import contextlib
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import httpx
import orjson

from inference.scheduling.accounts import WEIGHT_USUAL, cost
from tests.journeys.limits.clients import words
from tests.journeys.limits.cluster import MODEL, Cluster, Customer

GAUGED_S = 0.05
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Offer:
    """What one tenant asks for: so many requests at once, at these gateways."""

    customer: Customer
    at_once: int
    prompt_words: int
    output_tokens: int
    gateways: tuple[int, ...]
    weight: int = WEIGHT_USUAL

    def body(self, *, streamed: bool) -> dict[str, Any]:
        """Return one request."""
        return {
            "model": MODEL,
            "messages": words(self.prompt_words),
            "max_tokens": self.output_tokens,
            "stream": streamed,
        }


@dataclass
class Got:
    """What one tenant got within the measured time."""

    requests: int = 0
    worth: float = 0.0
    first_ms: list[float] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)

    def p95_ms(self) -> float:
        """Return how long all but a twentieth waited for the first token at most."""
        return statistics.quantiles(self.first_ms, n=20)[-1]


@dataclass
class Measured:
    """What all got, and what waited in the engine meanwhile."""

    seconds: float
    got: list[Got]
    engine_waiting: list[int]
    engine_running: list[int]

    @property
    def worth_per_s(self) -> float:
        """Return the work that was done for all."""
        return sum(each.worth for each in self.got) / self.seconds


def jain(shares: Sequence[float]) -> float:
    """Return Jain's index: 1 where all have the same, 1/n where one has all."""
    return sum(shares) ** 2 / (len(shares) * sum(each**2 for each in shares))


def measured(
    cluster: Cluster, offers: Sequence[Offer], *, warm_s: float, seconds: float
) -> Measured:
    """Let all tenants ask at the same time; return what came of it after a warm-up."""
    return asyncio.run(_measured(cluster, offers, warm_s, seconds))


async def _measured(
    cluster: Cluster, offers: Sequence[Offer], warm_s: float, seconds: float
) -> Measured:
    starts = time.monotonic() + warm_s
    found = Measured(seconds, [Got() for _ in offers], [], [])
    async with contextlib.AsyncExitStack() as stack:
        # One each: a pool looks through all its connections at every request.
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False, verify=False)  # noqa: S501
            )
            for _ in range(1 + sum(offer.at_once for offer in offers))
        ]
        work = [
            _asks(
                clients.pop(), cluster, offer, got, number, (starts, starts + seconds)
            )
            for offer, got in zip(offers, found.got, strict=True)
            for number in range(offer.at_once)
        ]
        work.append(_gauges(clients.pop(), cluster, found, starts))
        tasks = [asyncio.create_task(each) for each in work]
        done, _ = await asyncio.wait(
            tasks,
            timeout=warm_s + seconds,
            return_when=asyncio.FIRST_EXCEPTION,
        )
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in done:
            each.result()
    return found


async def _asks(
    client: httpx.AsyncClient,
    cluster: Cluster,
    offer: Offer,
    got: Got,
    number: int,
    span: tuple[float, float],
) -> None:
    """Ask again and again; one that asks alone is a stream, to see its first token."""
    ports = [cluster.gateways[each].port for each in offer.gateways]
    for port in cycle(ports[number % len(ports) :] + ports[: number % len(ports)]):
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        began = time.monotonic()
        if offer.at_once == 1:
            first_s = await _streamed(client, url, offer)
        else:
            status = await _whole(client, url, offer)
            if status != httpx.codes.OK:
                got.refused[status] += 1
                assert status in (429, 503), status
                await asyncio.sleep(1)
                continue
        ended = time.monotonic()
        if not span[0] <= ended <= span[1]:
            continue
        got.requests += 1
        # The simulator counts a chat's own tokens besides its words.
        got.worth += cost(offer.prompt_words + 7, offer.output_tokens)
        if offer.at_once == 1 and began >= span[0]:
            got.first_ms.append((first_s - began) * 1000)


async def _whole(client: httpx.AsyncClient, url: str, offer: Offer) -> int:
    headers = {"authorization": f"Bearer {offer.customer.key}"}
    answer = await client.post(url, json=offer.body(streamed=False), headers=headers)
    if answer.status_code == httpx.codes.OK:
        assert answer.json()["usage"]["completion_tokens"] == offer.output_tokens
    return answer.status_code


async def _streamed(client: httpx.AsyncClient, url: str, offer: Offer) -> float:
    """Return when the first token came."""
    first_s = 0.0
    headers = {"authorization": f"Bearer {offer.customer.key}"}
    body = offer.body(streamed=True)
    async with client.stream("POST", url, json=body, headers=headers) as answer:
        assert answer.status_code == httpx.codes.OK, await answer.aread()
        async for line in answer.aiter_lines():
            if first_s or not line.startswith("data: {"):
                continue
            event = orjson.loads(line.removeprefix("data: "))
            assert "error" not in event, event
            if any(each["delta"].get("content") for each in event["choices"]):
                first_s = time.monotonic()
    assert first_s
    return first_s


async def _gauges(
    client: httpx.AsyncClient, cluster: Cluster, found: Measured, starts: float
) -> None:
    url = f"{cluster.engine.base_url}/simulator/stats"
    while True:
        stats = (await client.get(url)).json()
        if time.monotonic() >= starts:
            found.engine_waiting.append(stats["sequences_waiting"])
            found.engine_running.append(stats["sequences_running"])
        await asyncio.sleep(GAUGED_S)
