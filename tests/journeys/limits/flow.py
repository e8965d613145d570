"""Rate limits and concurrency on several processes, and a store that fails them."""

import asyncio
import random
import time
from dataclasses import dataclass, field

import httpx

from tests.journeys.limits.clients import words
from tests.journeys.limits.cluster import MODEL, Cluster, Customer

AT_ONCE = 32
WINDOW_S = {"second": 1.0, "minute": 60.0}


@dataclass
class Burst:
    """What came of a burst: how many passed, and how long it took."""

    allowed: int = 0
    refused: int = 0
    others: list[int] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)

    def expected(self, limit: int, window: str) -> tuple[int, int]:
        """Return the least and the most that a bucket of `limit` lets pass.

        It began to fill after the first was sent and before it was answered, and was
        last asked after the last was sent and before the last answer.
        """
        least_s = max(0.0, max(self.sent) - min(self.answered))
        most_s = max(self.answered) - min(self.sent)
        least, most = (
            limit + int(limit * seconds / WINDOW_S[window])
            for seconds in (least_s, most_s)
        )
        return least - 1, most + 1


def burst(cluster: Cluster, *, limit: int, window: str) -> Burst:
    """Send ten times as many requests as a limit allows, at once, to all processes."""
    cluster.engine.change(answer_tokens_max=1, inter_token_ms=0)
    customer = cluster.customer()
    cluster.rate(customer, limit, "requests", window)
    cluster.await_published(customer)
    return asyncio.run(_burst(cluster, customer, 10 * limit))


async def _burst(cluster: Cluster, customer: Customer, count: int) -> Burst:
    result, places = Burst(), asyncio.Semaphore(AT_ONCE)
    async with clients(cluster) as (client, urls):

        async def one(number: int) -> None:
            async with places:
                result.sent.append(time.monotonic())
                status = await ask_once(client, urls[number % len(urls)], customer)
                result.answered.append(time.monotonic())
            if status == httpx.codes.OK:
                result.allowed += 1
            elif status == httpx.codes.TOO_MANY_REQUESTS:
                result.refused += 1
            else:
                result.others.append(status)

        await asyncio.gather(*(one(number) for number in range(count)))
    return result


class clients:  # noqa: N801 - a block, used as a function
    """An HTTP client without bounds of its own, and every process's address."""

    def __init__(self, cluster: Cluster, *, at_once: int | None = 64) -> None:
        self._client = httpx.AsyncClient(
            timeout=60,
            limits=httpx.Limits(max_connections=at_once),
            trust_env=False,
        )
        self._urls = [f"http://127.0.0.1:{each.port}" for each in cluster.gateways]

    async def __aenter__(self) -> tuple[httpx.AsyncClient, list[str]]:
        return self._client, self._urls

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()


async def ask_once(
    client: httpx.AsyncClient, url: str, customer: Customer, *, max_tokens: int = 1
) -> int:
    """Ask once for a short answer; return the status."""
    answer = await client.post(
        f"{url}/v1/chat/completions",
        json={"model": MODEL, "messages": words(3), "max_tokens": max_tokens},
        headers={"authorization": f"Bearer {customer.key}"},
    )
    return answer.status_code


@dataclass
class Crowd:
    """What came of many requests of which some left: the most at once, and memory."""

    requests: int = 0
    left: int = 0
    refused: int = 0
    most_at_once: int = 0
    memory_kb: list[tuple[int, int]] = field(default_factory=list)

    @property
    def bytes_per_request(self) -> float:
        """Return by how much all processes grew for each request, after a warm-up."""
        warm = self.memory_kb[len(self.memory_kb) // 4 :]
        (first, before), (last, after) = warm[0], warm[-1]
        return (after - before) * 1024 / max(1, last - first)


def crowd(
    cluster: Cluster, *, slots: int, requests: int, workers: int, seed: int
) -> Crowd:
    """Send requests, of which three in ten are cancelled at random, against slots."""
    cluster.engine.change(answer_tokens_max=4, inter_token_ms=1)
    customer = cluster.customer()
    cluster.rate(customer, slots, "concurrent_requests", "")
    cluster.limit(customer, 10**16)
    cluster.await_published(customer)
    result = asyncio.run(_crowd(cluster, customer, requests, workers, seed))
    cluster.at_rest(customer)
    return result


async def _crowd(
    cluster: Cluster, customer: Customer, requests: int, workers: int, seed: int
) -> Crowd:
    result, draw = Crowd(), random.Random(seed)
    ends = asyncio.Event()

    async def watch(client: httpx.AsyncClient) -> None:
        while not ends.is_set():
            stats = await client.get(f"{cluster.engine.base_url}/simulator/stats")
            running = stats.json()["running"]
            result.most_at_once = max(result.most_at_once, running)
            await asyncio.sleep(0.002)

    async def work(client: httpx.AsyncClient, url: str) -> None:
        while result.requests < requests:
            result.requests += 1
            if result.requests % max(1, requests // 40) == 0:
                result.memory_kb.append((result.requests, _memory_kb(cluster)))
            asking = asyncio.ensure_future(
                ask_once(client, url, customer, max_tokens=40)
            )
            if draw.random() < 0.3:
                await asyncio.wait([asking], timeout=draw.random() * 0.012)
                asking.cancel()
            try:
                if await asking == httpx.codes.TOO_MANY_REQUESTS:
                    result.refused += 1
                    await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                result.left += 1

    async with clients(cluster, at_once=None) as (client, urls):
        watching = asyncio.ensure_future(watch(client))
        await asyncio.gather(
            *(work(client, urls[number % len(urls)]) for number in range(workers))
        )
        ends.set()
        await watching
    return result


def _memory_kb(cluster: Cluster) -> int:
    total = 0
    for gateway in cluster.gateways:
        with open(f"/proc/{gateway.pid}/status") as status:  # noqa: PTH123
            [line] = [line for line in status if line.startswith("VmRSS")]
        total += int(line.split()[1])
    return total


@dataclass
class Outage:
    """What clients saw while the store failed."""

    asked: int = 0
    served: int = 0
    slow_ms: list[float] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Return the part that was served."""
        return self.served / max(1, self.asked)

    def p99_ms(self) -> float:
        """Return the time within which 99 of 100 answers came."""
        return sorted(self.slow_ms)[int(len(self.slow_ms) * 0.99)]


async def asked_for(
    cluster: Cluster, customer: Customer, *, seconds: float, workers: int
) -> Outage:
    """Ask one after another from some workers for so long."""
    result, until = Outage(), time.monotonic() + seconds

    async def work(client: httpx.AsyncClient, url: str) -> None:
        while time.monotonic() < until:
            began = time.monotonic()
            status = await ask_once(client, url, customer)
            result.slow_ms.append((time.monotonic() - began) * 1000)
            result.asked += 1
            result.served += status == httpx.codes.OK

    async with clients(cluster) as (client, urls):
        await asyncio.gather(
            *(work(client, urls[number % len(urls)]) for number in range(workers))
        )
    return result
