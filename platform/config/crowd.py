"""How many requests Django works on at once, and how many of one caller.

Each request that Django works on is a thread and up to two sessions of PostgreSQL, of
which there are few for everybody: a burst that took them all would stop the gateways as
well. So requests wait here, where waiting costs nothing, and one caller, be it a token
or an address, never takes all of the places: whoever floods waits for itself.

Failure: a request that waits for too long, or finds too many waiting, is answered 503
with `Retry-After`, and has done nothing.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from kit.errors import ServiceUnavailable

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

WAITING_MAX = 2000
WAIT_S = 20.0
RETRY_AFTER_S = 2
# By what a caller is told: the first is a secret, and is kept while it waits alone.
_TOLD_BY = (b"authorization", b"x-forwarded-for")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Turns:
    """The places of one caller, and how many requests have or want one."""

    places: asyncio.Semaphore
    wanted: int = 0


@dataclass(slots=True)
class Crowd:
    """Lets `at_once` requests into the application, `of_one` of any one caller."""

    application: Application
    at_once: int
    of_one: int
    wait_s: float = WAIT_S
    waiting_max: int = WAITING_MAX
    _places: asyncio.Semaphore = field(init=False)
    _callers: dict[tuple[bytes, bytes], _Turns] = field(init=False)
    _inside: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Open the places."""
        self._places = asyncio.Semaphore(self.at_once)
        self._callers = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request when it is its turn."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        async with AsyncExitStack() as place:
            try:
                await place.enter_async_context(self._place(scope))
            except TimeoutError:
                log.warning("web_is_crowded", requests=self._inside)
                await _refuse(send)
                return
            await self.application(scope, receive, send)

    @asynccontextmanager
    async def _place(self, scope: Scope) -> AsyncIterator[None]:
        """Wait for a place; raises `TimeoutError` where that takes too long."""
        if self._inside >= self.at_once + self.waiting_max:
            raise TimeoutError
        self._inside += 1
        try:
            async with AsyncExitStack() as held:
                async with asyncio.timeout(self.wait_s):
                    # Always in this order, so that no two wait for each other.
                    for caller in _callers(scope):
                        await held.enter_async_context(self._turn(caller))
                    await held.enter_async_context(self._places)
                yield
        finally:
            self._inside -= 1

    @asynccontextmanager
    async def _turn(self, caller: tuple[bytes, bytes]) -> AsyncIterator[None]:
        turns = self._callers.get(caller)
        if turns is None:
            turns = self._callers[caller] = _Turns(asyncio.Semaphore(self.of_one))
        turns.wanted += 1
        try:
            async with turns.places:
                yield
        finally:
            turns.wanted -= 1
            if not turns.wanted:
                del self._callers[caller]


def _callers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return by what a request's caller is told: its token, then its address."""
    headers = dict(scope["headers"])
    return [(name, headers[name]) for name in _TOLD_BY if name in headers]


async def _refuse(send: Send) -> None:
    """Answer that there is no place, as the management API says such a thing."""
    # Of Django's side, which is there only once the application was made.
    from kit.drf.problems import CONTENT_TYPE, problem_of  # noqa: PLC0415

    error = ServiceUnavailable(
        "Too many requests are waiting, and this one was not begun. Try again in"
        f" {RETRY_AFTER_S} seconds."
    )
    body = json.dumps(problem_of(error)).encode()
    headers = {
        "content-type": CONTENT_TYPE,
        "content-length": str(len(body)),
        "retry-after": str(RETRY_AFTER_S),
        "cache-control": "no-store",
    }
    await send(
        {
            "type": "http.response.start",
            "status": error.status,
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
