"""Requests wait for a place, and whoever floods waits for itself."""

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from config.asgi import application
from config.crowd import Crowd, Message, Receive, Scope, Send

A = [(b"authorization", b"Bearer a"), (b"x-forwarded-for", b"192.0.2.1")]
B = [(b"authorization", b"Bearer b"), (b"x-forwarded-for", b"192.0.2.2")]


@dataclass
class Slow:
    """An application that answers when it is told to."""

    inside: Counter[bytes] = field(default_factory=Counter)
    most: int = 0
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count who is inside."""
        token = dict(scope["headers"]).get(b"authorization", b"")
        self.inside[token] += 1
        self.most = max(self.most, self.inside.total())
        try:
            await self.goes_on.wait()
        finally:
            self.inside[token] -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})


async def receive() -> Message:
    raise AssertionError("nothing is read")


async def asked(crowd: Crowd, headers: list[tuple[bytes, bytes]]) -> list[Message]:
    """Ask once; return what was sent."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await crowd({"type": "http", "headers": headers}, receive, send)
    return sent


async def settled() -> None:
    """Let everything that can go on go on."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_flood_of_one_leaves_places_to_others_and_all_are_answered() -> None:
    slow = Slow()
    crowd = Crowd(slow, at_once=6, of_one=4)
    async with asyncio.TaskGroup() as group:
        flood = [group.create_task(asked(crowd, A)) for _ in range(100)]
        await settled()
        other = group.create_task(asked(crowd, B))
        await settled()
        assert slow.inside == {b"Bearer a": 4, b"Bearer b": 1}
        slow.goes_on.set()
    assert slow.most <= 6
    answers = [task.result()[0]["status"] for task in [*flood, other]]
    assert answers == [200] * 101
    # Secrets of those who are gone are kept by nobody.
    assert crowd._callers == {}


async def test_many_tokens_of_one_address_are_one_caller() -> None:
    slow = Slow()
    crowd = Crowd(slow, at_once=6, of_one=4)
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            token = (b"authorization", f"Bearer {number}".encode())
            group.create_task(asked(crowd, [token, A[1]]))
        await settled()
        assert slow.inside.total() == 4
        slow.goes_on.set()


async def test_no_more_are_inside_than_there_are_places() -> None:
    slow = Slow()
    crowd = Crowd(slow, at_once=6, of_one=4)
    async with asyncio.TaskGroup() as group:
        for number in range(40):
            address = (b"x-forwarded-for", f"192.0.2.{number}".encode())
            group.create_task(asked(crowd, [address]))
        await settled()
        assert slow.inside.total() == 6
        slow.goes_on.set()
    assert slow.most == 6


async def test_who_waits_too_long_or_finds_too_many_is_told_to_come_again() -> None:
    slow = Slow()
    crowd = Crowd(slow, at_once=1, of_one=1, wait_s=0.05, waiting_max=1)
    async with asyncio.TaskGroup() as group:
        group.create_task(asked(crowd, A))
        await settled()
        waiting = group.create_task(asked(crowd, B))
        await settled()
        for sent in (await asked(crowd, B), await waiting):
            assert sent[0]["status"] == 503
            headers = dict(sent[0]["headers"])
            assert headers[b"retry-after"] == b"2"
            assert headers[b"content-type"] == b"application/problem+json"
            body: dict[str, Any] = json.loads(sent[1]["body"])
            assert body["error"]["type"] == "server_error"
        slow.goes_on.set()
    # The places are whole again.
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(30))
        assert (await asked(crowd, B))[0]["status"] == 200


def test_no_session_outlives_its_request() -> None:
    ages = {
        settings.DATABASES[alias].get("CONN_MAX_AGE")
        for alias in ("default", "operator")
    }
    assert ages == {0}


def test_the_web_process_lets_in_as_many_as_the_settings_say() -> None:
    assert isinstance(application, Crowd)
    assert (application.at_once, application.of_one) == (20, 8)
