"""What being admitted costs: CPU of the gateway and time to the first byte, in turns.

The same requests by a customer without limits and by one with three rates and three
budgets, interleaved, so that a noisy machine is noisy for both.
"""

import asyncio
import os
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.journeys.limits.clients import words
from tests.journeys.limits.cluster import MODEL, Cluster, Customer

ROUNDS = 6
REQUESTS = 400
AT_ONCE = 16
_TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """CPU per request in microseconds, and times to the first byte in milliseconds."""

    cpu_us: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{statistics.median(self.cpu_us):.0f} us CPU,"
            f" {statistics.median(self.first_ms):.2f} ms to the first byte"
        )


def admission_cost(cluster: Cluster) -> tuple[Cost, Cost]:
    """Return what requests cost without limits, and with many."""
    cluster.engine.change(answer_tokens_max=8, inter_token_ms=0)
    free, limited = cluster.customer(), cluster.customer()
    for unit in ("requests", "tokens", "concurrent_requests"):
        window = "" if unit == "concurrent_requests" else "minute"
        cluster.rate(limited, 10**9, unit, window)
    cluster.limit(limited, 10**18)
    cluster.limit(limited, 10**18, level="project", project_id=limited.project_id)
    cluster.quota(limited, 10**12, level="api_key", api_key_id=limited.api_key_id)
    for customer in (free, limited):
        cluster.await_published(customer)
    costs = Cost(), Cost()
    asyncio.run(_measure(cluster, (free, limited), costs))
    return costs


async def _measure(
    cluster: Cluster, customers: tuple[Customer, Customer], costs: tuple[Cost, Cost]
) -> None:
    [gateway] = cluster.gateways
    limits = httpx.Limits(max_connections=AT_ONCE)
    base_url = f"http://127.0.0.1:{gateway.port}"
    async with httpx.AsyncClient(
        base_url=base_url, timeout=60, limits=limits, trust_env=False
    ) as client:
        for number in range(ROUNDS + 1):
            for customer, cost in zip(customers, costs, strict=True):
                before = _cpu_us(gateway.pid)
                times = await _ask(client, customer)
                used = _cpu_us(gateway.pid) - before
                if number:
                    cost.cpu_us.append(used / REQUESTS)
                    cost.first_ms += times


async def _ask(client: httpx.AsyncClient, customer: Customer) -> list[float]:
    body = {"model": MODEL, "messages": words(200), "max_tokens": 80, "stream": True}
    headers = {"authorization": f"Bearer {customer.key}"}
    places, times = asyncio.Semaphore(AT_ONCE), list[float]()

    async def one() -> None:
        async with places:
            began = time.monotonic()
            async with client.stream(
                "POST", "/v1/chat/completions", json=body, headers=headers
            ) as answer:
                assert answer.status_code == httpx.codes.OK
                parts = answer.aiter_raw()
                await anext(parts)
                times.append((time.monotonic() - began) * 1000)
                async for _ in parts:
                    pass

    await asyncio.gather(*(one() for _ in range(REQUESTS)))
    return times


def _cpu_us(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_US
