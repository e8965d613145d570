"""Clients that do as they are told: retry when they may, give up when it is spent.

Each answer is kept with what it delivered, token by token, when, and how it ended.
Tokens are the simulator's numbered words, so a transcript proves what was delivered.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from inference.engines.simulator.tokens import chat_tokens, delivered_tokens
from tests.journeys.limits.cluster import MODEL, Cluster, Customer

TRIES_MAX = 60
# The longest turn of the readers' loop in the last run, in seconds.
LAG = [0.0]
SPENT = "insufficient_quota"


@dataclass
class Call:
    """One request and all that came of it; times are of the monotonic clock."""

    streamed: bool
    prompt_tokens: int
    text: str = field(default="", repr=False)
    status: int = 0
    code: str = ""
    finish: str = ""
    ended_early: str = ""
    tries: int = 0
    began_at: float = 0.0
    ended_at: float = 0.0
    token_times: list[float] = field(default_factory=list, repr=False)

    @property
    def tokens(self) -> int:
        """Return how many tokens were delivered."""
        return delivered_tokens(self.text)

    @property
    def is_served(self) -> bool:
        """Tell whether the whole answer came."""
        return self.status == 200 and not self.code and self.finish == "stop"

    @property
    def is_spent(self) -> bool:
        """Tell whether the budget refused it, or ended it."""
        return SPENT in {self.code, self.ended_early}


def words(number: int) -> list[dict[str, str]]:
    """Return a chat of so many words."""
    return [{"role": "user", "content": " ".join(["word"] * number)}]


async def ask(
    client: httpx.AsyncClient,
    url: str,
    customer: Customer,
    *,
    streamed: bool,
    max_tokens: int,
    prompt_words: int = 12,
) -> Call:
    """Ask until there is an answer, or no sense in asking again."""
    messages = words(prompt_words)
    call = Call(streamed, len(chat_tokens(messages)))
    call.began_at = time.monotonic()
    body = {
        "model": MODEL,
        "messages": messages,
        "max_tokens": max_tokens,
        "stream": streamed,
    }
    headers = {"authorization": f"Bearer {customer.key}"}
    while True:
        call.tries += 1
        try:
            told = await _answered(client, url, body, headers, call)
        except httpx.ReadError:
            # A connection that waited unused for too long: whoever asks asks again.
            if call.text:
                raise
            continue
        call.ended_at = time.monotonic()
        if call.status == 200 or told.get("x-should-retry") == "false":
            return call
        assert call.status in {429, 503}, call
        assert call.tries < TRIES_MAX, f"told to retry for ever: {call}"
        told_ms = told.get("retry-after-ms") or 1000 * int(told["retry-after"])
        await asyncio.sleep(int(told_ms) / 1000)


async def _answered(
    client: httpx.AsyncClient,
    url: str,
    body: dict[str, Any],
    headers: dict[str, str],
    call: Call,
) -> httpx.Headers:
    """Ask once, and read what comes into the call."""
    async with client.stream(
        "POST", f"{url}/v1/chat/completions", json=body, headers=headers
    ) as answer:
        call.status, call.code = answer.status_code, ""
        if answer.status_code == httpx.codes.OK and call.streamed:
            await _read_stream(answer, call)
        else:
            _read_whole(orjson.loads(await answer.aread()), answer, call)
        return answer.headers


async def ask_all(
    cluster: Cluster,
    customer: Customer,
    calls: int,
    *,
    at_once: int,
    streamed: bool | None = None,
    **options: Any,
) -> list[Call]:
    """Make the calls, so many at a time, spread over the processes.

    Half are streamed unless `streamed` says otherwise.
    """
    places = asyncio.Semaphore(at_once)
    urls = [f"http://127.0.0.1:{each.port}" for each in cluster.gateways]
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=120, limits=limits, trust_env=False) as client:

        async def one(number: int) -> Call:
            async with places:
                return await ask(
                    client,
                    urls[number % len(urls)],
                    customer,
                    streamed=number % 2 == 0 if streamed is None else streamed,
                    **options,
                )

        lag = asyncio.create_task(_longest_turn())
        made = list(await asyncio.gather(*(one(number) for number in range(calls))))
        lag.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await lag
        return made


async def _longest_turn() -> None:
    """Keep `LAG` at how long a reader may have been kept from what lay there."""
    LAG[0] = 0.0
    while True:
        began = time.monotonic()
        await asyncio.sleep(0)
        LAG[0] = max(LAG[0], time.monotonic() - began)
        await asyncio.sleep(0.005)


async def _read_stream(answer: httpx.Response, call: Call) -> None:
    async for line in answer.aiter_lines():
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        event = orjson.loads(line[6:])
        if "error" in event:
            call.code = event["error"]["code"]
            continue
        for choice in event["choices"]:
            text = choice["delta"].get("content") or ""
            if text:
                call.text += text
                call.token_times.append(time.monotonic())
            call.finish = choice["finish_reason"] or call.finish


def _read_whole(body: dict[str, Any], answer: httpx.Response, call: Call) -> None:
    if answer.status_code != 200:
        call.code = body["error"]["code"]
        return
    [choice] = body["choices"]
    call.text = choice["message"]["content"] or ""
    call.finish = choice["finish_reason"]
    call.ended_early = answer.headers.get("x-tollgate-ended", "")
    # They were used some time before they were handed over, all at once.
    call.token_times += [call.began_at] * call.tokens


def served(calls: Sequence[Call]) -> list[Call]:
    """Return those that came whole."""
    return [call for call in calls if call.is_served]


def received_picos(calls: Sequence[Call], customer: Customer) -> int:
    """Return what all that was delivered comes to."""
    return sum(
        customer.cost(prompt_tokens=call.prompt_tokens, output_tokens=call.tokens)
        for call in calls
        if call.status == 200
    )
